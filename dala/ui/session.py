"""The state of one session: the picture that is explained, and how the tabs follow its changes.

A new picture, class or network costs two requests, because only the server knows which tab is open and what it needs:

    browser                              server
    upload, sample, class, ...  ──1──▶   Patch: explain → Current(explanation, serial)
    hidden textbox `serial`     ◀─────   new serial, `page.current` (a state: it stays on the server)
      its change, for each tab  ──2──▶   run: is the tab open, and does it show another serial?
      a closed tab: no output   ◀─────   no:  skip
      the open tab: its maps    ◀─────   yes: show(current, *inputs), and `shown` = serial
    a tab is opened             ──1──▶   `page.opened` = id of the tab
      then                      ──2──▶   run, as above: a tab that is up to date is not computed again
"""

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
from dala.ui.alert import alert
from dala.ui.model_cache import HOST, ModelCache

__all__ = ["MODEL", "PLUMBING", "Current", "ExpiredError", "Page", "Source", "require"]

# Options of events that run a network: one event at a time, and of several waiting choices only the last.
MODEL: dict[str, Any] = {
    "concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private", "trigger_mode": "always_last",
}  # fmt: skip
# Options of all other events of the page.
PLUMBING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_serials = count(1)


class ExpiredError(DalaError):
    """The state of a session was deleted because the page was idle for too long."""

    def __init__(self) -> None:
        super().__init__("This explanation has expired: choose the picture again.")


@dataclass(frozen=True)
class Source:
    """A picture file, and how it is to be explained.

    Attributes:
        file: the uploaded file or the sample.
        about: one line about it: resolution, origin, licence.
        scale: its magnification, such as "100X"; None if unknown.
        box: the part that is explained; None for the whole picture.
        generated: whether no laboratory has made it.
    """

    file: Path
    about: str = ""
    scale: str | None = None
    box: tiles.Box | None = None
    generated: bool = False


@dataclass(frozen=True, eq=False)
class Current:
    """The current picture of a session, explained by the session's network.

    Attributes:
        explanation: without its gradient and on the CPU, since a session may keep it for an hour.
        source: the file that was explained.
        model: the network's key in the `ModelCache`.
        parts: boxes of a large picture that can be explained instead; see `dala.images.tiles.Selection`.
        thumbnails: of the whole and of every part; empty if there are no parts.
        patches: how many patches the whole picture contains.
        serial: unique; a new one for every new explanation.
    """

    explanation: Explanation
    source: Source
    model: str
    parts: tuple[tiles.Box, ...]
    thumbnails: tuple[Image.Image, ...]
    patches: float
    serial: str

    @classmethod
    def of(cls, explanation: Explanation, source: Source, model: str, selection: tiles.Selection) -> "Current":
        """As the constructor, with a new serial, from an explanation without gradient."""
        s = selection
        return cls(explanation, source, model, s.parts, s.thumbnails, s.patches, str(next(_serials)))

    def with_explanation(self, explanation: Explanation) -> "Current":
        """The same picture with another explanation and a new serial."""
        return replace(self, explanation=explanation.without_gradient(), serial=str(next(_serials)))


def require(current: Current | None) -> Current:
    """Return the session's picture.

    Raises:
        ExpiredError: there is none any more.
    """
    if current is None:
        raise ExpiredError
    return current


class Page:
    """What the tabs of a page share.

    Attributes:
        models: the networks in memory.
        current: state, a `Current` or None.
        model: state, key of the session's network.
        serial: hidden textbox with `Current.serial`; it changes with every new picture, class or network.
        opened: state, id of the open tab.
    """

    def __init__(self, models: ModelCache, first: str) -> None:
        self.models = models
        self.current = gr.State(time_to_live=3600)
        self.model = gr.State(HOST)
        self.serial = gr.Textbox(visible="hidden")
        self.opened = gr.State(first)

    def explainer(self, current: Current) -> Explainer:
        """Return the network that explained the session's picture."""
        return self.models[current.model]

    def follow(
        self,
        tab: gr.Tab,
        show: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        **event: Any,
    ) -> None:
        """Update a tab while it is open, and when it is opened; the drawing above shows the requests.

        Args:
            tab: with an id.
            show: (current, *inputs) -> outputs; current is None if there is no picture.
            inputs, outputs: components.
            event: options of the events.
        """
        with tab:  # a component between two tabs would count as one
            shown = gr.State("")

        def run(opened: str, already: str, serial: str, current: Current | None, *rest: Any) -> Any:
            if opened != tab.id or already == serial:
                return [gr.skip()] * (1 + len(outputs))
            try:
                result = show(current, *rest)
            except DalaError as error:
                raise alert(error) from None
            return [serial, *(result if len(outputs) > 1 else [result])]

        values, changed = [self.opened, shown, self.serial, self.current, *inputs], [shown, *outputs]
        options = {**MODEL, "show_progress": "hidden", **event}
        tab.select(lambda: tab.id, None, self.opened, **PLUMBING).then(run, values, changed, **options)
        self.serial.change(run, values, changed, **options)
