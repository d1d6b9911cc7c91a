"""The visit: an element whose scripts keep the page's address up to date and take pictures from anywhere on the page.

Python sends the address of every picture that it shows; the scripts write it into the page's address, and ask for
another picture by the event `open` when the visitor goes Back or reloads.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

__all__ = ["KEYS", "Place", "Visit"]

_HERE = Path(__file__).parent
SCRIPTS = ("keep.js", "intake.js", "controls.js", "visit.js")
MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Place:
    """Which picture is explained, and how, as texts in the page's address; empty where nothing was chosen.

    Attributes:
        sample: name of a sample; empty for the first one, and for an upload.
        upload: "1" for a picture that the visitor uploaded.
        target: class that is explained; empty for the most probable one.
        magnification: that the visitor chose; empty for the sample's own.
        part: number of the part of a large picture, from 1.
    """

    sample: str = ""
    upload: str = ""
    target: str = ""
    magnification: str = ""
    part: str = ""

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> "Place":
        """Read a query or an event's data; whatever is no short text counts as empty."""
        texts = {name: query.get(key) for name, key in KEYS.items()}
        return cls(**{n: t for n, t in texts.items() if isinstance(t, str) and len(t) <= MOST_CHARACTERS})

    def address(self) -> dict[str, str]:
        """The place as parameters of the page's address."""
        return {KEYS[name]: text for name, text in asdict(self).items()}


KEYS = {"sample": "sample", "upload": "upload", "target": "class", "magnification": "magnification", "part": "part"}


class Visit(gr.HTML):
    """The component; its value is `Place.address()` and the `serial` of the picture, or None.

    Event: `open`, with an address.
    """

    def __init__(self, **kwargs: Any) -> None:
        scripts = [_HERE.parent / "mapview" / "address.js", *(_HERE / name for name in SCRIPTS)]
        super().__init__(
            html_template="<p class='said' role='status'></p>",
            head="".join(f"<script>\n{file.read_text(encoding='utf-8')}</script>" for file in scripts),
            # Gradio takes for an event what stands here in quotes.
            js_on_load="// 'open'\ndala.visit.start({element, props, trigger, watch});",
            elem_classes="visit",
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        """JSON schema of the value."""
        return {"type": "object"}
