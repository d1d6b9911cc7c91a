"""The state of one session: the picture that is explained, and how the tabs follow its changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.images import tiles
from dala.ui.model_cache import HOST, Shelf
from dala.ui.server.uploads import sentence

__all__ = ["MODEL", "PLUMBING", "ExpiredError", "Given", "Page", "Seen", "held", "sentence"]

# Options of events that run a network: one at a time, and of several waiting choices the last one.
MODEL: dict[str, Any] = {
    "concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private", "trigger_mode": "always_last",
}  # fmt: skip
PLUMBING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_serials = count(1)


class ExpiredError(DalaError):
    """The state of a session was deleted, since the page was idle for too long."""

    def __init__(self) -> None:
        super().__init__("This explanation has expired: choose the picture again.")


@dataclass(frozen=True)
class Given:
    """A picture before it is explained.

    Attributes:
        file: the uploaded file or the sample.
        about: one line about it: pixel size, origin, licence.
        scale: its magnification, such as "100X"; None where unknown.
        box: the part that is explained; None for the whole.
    """

    file: Path
    about: str = ""
    scale: str | None = None
    box: tiles.Box | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """The picture of a session, explained by the network of the session.

    Attributes:
        explanation: without its gradient and on the CPU, since a session may keep it for an hour.
        given: the picture as it was given.
        model: the network's key on the shelf.
        parts: boxes of a large picture that can be explained instead; see `dala.images.tiles.Selection`.
        thumbnails: of the whole and of every part; none where there are no parts.
        patches: how many patches the whole picture contains.
        serial: unique; a new one for every new explanation.
    """

    explanation: Explanation
    given: Given
    model: str
    parts: tuple[tiles.Box, ...]
    thumbnails: tuple[Image.Image, ...]
    patches: float
    serial: str

    @classmethod
    def of(cls, explanation: Explanation, given: Given, model: str, looked: tiles.Selection) -> "Seen":
        """As the constructor, from an explanation without gradient."""
        return cls(explanation, given, model, looked.parts, looked.thumbnails, looked.patches, str(next(_serials)))

    def anew(self, explanation: Explanation) -> "Seen":
        """The same picture, explained otherwise."""
        return replace(self, explanation=explanation.without_gradient(), serial=str(next(_serials)))


def held(seen: Seen | None) -> Seen:
    """Return the session's picture; ExpiredError if there is none any more."""
    if seen is None:
        raise ExpiredError
    return seen


class Page:
    """What the tabs of a page share.

    Attributes:
        shelf: the networks.
        seen: state, a `Seen` or None.
        model: state, key of the session's network.
        serial: hidden textbox with `Seen.serial`; it changes with every new picture, class or network.
        opened: state, id of the open tab.
    """

    def __init__(self, shelf: Shelf, first: str) -> None:
        self.shelf = shelf
        self.seen = gr.State(time_to_live=3600)
        self.model = gr.State(HOST)
        self.serial = gr.Textbox(visible="hidden")
        self.opened = gr.State(first)

    def explainer(self, seen: Seen) -> Explainer:
        """The network that explained the session's picture."""
        return self.shelf[seen.model]

    def follow(
        self,
        tab: gr.Tab,
        show: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        **event: Any,
    ) -> None:
        """Update a tab while it is open, and when it is opened.

        A new picture, class or network costs two requests: only the server knows which tab is open and what it needs.

            browser                              server
            upload, sample, class, ...  ──1──▶   Patch: explain → Seen(explanation, serial)
            hidden textbox `serial`     ◀─────   new serial, `page.seen` (a state: it stays on the server)
              its change, for each tab  ──2──▶   run: is the tab open, and is `shown` another serial?
              a closed tab: no output   ◀─────   no:  skip
              the open tab: its maps    ◀─────   yes: show(seen, *inputs), and `shown` = serial
            a tab is opened             ──1──▶   `page.opened` = id of the tab
              then                      ──2──▶   run, as above: a tab that is up to date is not computed again

        Args:
            tab: with an id.
            show: (seen, *inputs) -> outputs; seen is None if there is no picture.
            inputs, outputs: components.
            event: options of the events.
        """
        with tab:  # a component between two tabs would count as one
            shown = gr.State("")

        def run(opened: str, already: str, serial: str, seen: Seen | None, *rest: Any) -> Any:
            if opened != tab.id or already == serial:
                return [gr.skip()] * (1 + len(outputs))
            try:
                result = show(seen, *rest)
            except DalaError as error:
                raise sentence(error) from None
            return [serial, *(result if len(outputs) > 1 else [result])]

        given, changed = [self.opened, shown, self.serial, self.seen, *inputs], [shown, *outputs]
        options = {**MODEL, "show_progress": "hidden", **event}
        tab.select(lambda: tab.id, None, self.opened, **PLUMBING).then(run, given, changed, **options)
        self.serial.change(run, given, changed, **options)
