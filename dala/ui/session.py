"""The state of one session: the picture that is explained, and how the tabs follow its changes.

A new picture, class or network costs one request, and so does a tab that is opened:

    browser                              server
    upload, sample, class, ...  ─────▶   Patch: explain → Current(explanation, serial), `page.current` (a state: it
                                         stays on the server); then, of the tab that is open: show(current, *inputs)
    sidebar, the open tab's maps ◀────   and `shown` = serial; another tab then knows that it shows an older one
    a tab is opened             ─────▶   does it show another serial?
    its maps, or nothing         ◀────   yes: show(current, *inputs), and `shown` = serial; no: skip

Both are jobs of the scheduler (`dala.ui.server.scheduler`): a picture goes first, and stops the session's other jobs,
which were about the picture before.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints
from weakref import ref

import gradio as gr

from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.ui.alert import alert
from dala.ui.current import Current
from dala.ui.model_cache import HOST, ModelCache
from dala.ui.price import Prices
from dala.ui.server.events import ADDED, scheduled
from dala.ui.server.scheduler import Urgency

__all__ = ["LONG", "MODEL", "PLUMBING", "Page"]

# Options of events whose handler is `scheduled`: they wait in the scheduler, which knows what is urgent, and a newer
# one of the same kind stops the older. Beyond the limits they wait in Gradio's queue, whose length is bounded.
MODEL: dict[str, Any] = {
    "concurrency_id": "model", "concurrency_limit": 24, "api_visibility": "private", "trigger_mode": "multiple",
}  # fmt: skip
# The same for work of more than seconds, which leaves places for the others.
LONG: dict[str, Any] = MODEL | {"concurrency_id": "long", "concurrency_limit": 12}
# Options of all other events of the page.
PLUMBING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


class _Now:
    """What a session shows now. Jobs read it when they run: states are read when an event arrives, which may be before
    a picture is explained, or before another tab is opened.
    """

    def __init__(self, opened: str) -> None:
        self.opened = opened
        self._current: Callable[[], Current | None] = lambda: None

    @property
    def current(self) -> Current | None:
        """The picture, as long as `Page.current` keeps it."""
        return self._current()

    @current.setter
    def current(self, current: Current | None) -> None:
        self._current = ref(current) if current else lambda: None


@dataclass(frozen=True)
class _Follower:
    """A tab that shows the current picture: `show` from `inputs` to `outputs`, and the serial that it has shown."""

    tab: gr.Tab
    show: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    event: dict[str, Any] = field(default_factory=dict)
    shown: gr.State = field(default_factory=lambda: gr.State(None))

    def run(self, current: Current | None, already: str | None, *inputs: Any) -> list[Any]:
        """Values of `shown` and `outputs`: skipped where they are up to date."""
        serial = current.serial if current else ""
        if already == serial:
            return [gr.skip()] * (1 + len(self.outputs))
        result = self.show(current, *inputs)
        return [serial, *(result if len(self.outputs) > 1 else [result])]


class Page:
    """What the tabs of a page share.

    Attributes:
        models: the networks in memory.
        prices: how long slow maps take.
        current: state, a `Current` or None.
        model: state, key of the session's network.
        serial: hidden textbox with `Current.serial`; it changes with every new picture, class or network.
        now: state, a `_Now`.
    """

    def __init__(self, models: ModelCache, first: str) -> None:
        self.models, self.prices = models, Prices()
        self.current = gr.State(time_to_live=3600)
        self.model = gr.State(HOST)
        self.serial = gr.Textbox(visible="hidden")
        self.now = gr.State(_Now(first))
        self._followers: list[_Follower] = []
        self._explaining: list[tuple[Callable[..., Any], Callable[..., Any], list[Any], list[Any], dict[str, Any]]] = []

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
            event: options of the event of opening.
        """
        with tab:  # a component between two tabs would count as one
            self._followers.append(_Follower(tab, show, list(inputs), list(outputs), event))

    def explains(
        self,
        event: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Any,
        outputs: Sequence[Any],
        **options: Any,
    ) -> None:
        """Bind a handler that explains a picture, a part, or another class; the open tab follows in the same request.

        Args:
            event: of a component, such as `gallery.select`.
            handler: inputs -> outputs.
            inputs: components, one component, or None.
            outputs: with `page.current` among them.
            options: `urgency`; `failure`, arguments of `.failure` of the event; `preprocess`.
        """
        listed = list(inputs) if isinstance(inputs, list | tuple) else [inputs] if inputs else []
        self._explaining.append((event, handler, listed, list(outputs), options))

    def connect(self) -> None:
        """Bind what `follow` and `explains` were given, when all tabs are there."""
        for event, handler, inputs, outputs, options in self._explaining:
            then_inputs = [self.now, *(c for f in self._followers for c in (f.shown, *f.inputs))]
            then_outputs = [c for f in self._followers for c in (f.shown, *f.outputs)]
            run = _explaining(handler, len(inputs), outputs.index(self.current), self._followers)
            urgency = options.get("urgency", Urgency.FIRST)
            bound = event(
                scheduled(run, urgency, "picture", replaces=True), [*inputs, *then_inputs], [*outputs, *then_outputs],
                preprocess=options.get("preprocess", True), **MODEL,
            )  # fmt: skip
            if failure := options.get("failure"):
                bound.failure(*failure, **PLUMBING)
        for tab in dict.fromkeys(f.tab for f in self._followers):
            self._connect_tab(tab, [f for f in self._followers if f.tab is tab])

    def _connect_tab(self, tab: gr.Tab, followers: list[_Follower]) -> None:
        def run(now: _Now, current: Current | None, *rest: Any) -> Any:
            now.opened = str(tab.id)
            try:
                values = _follow(now, now.current or current, followers, rest)
            except DalaError as error:
                raise alert(error) from None
            return values if len(values) > 1 else values[0]

        inputs = [self.now, self.current, *(c for f in followers for c in (f.shown, *f.inputs))]
        outputs = [c for f in followers for c in (f.shown, *f.outputs)]
        options = {**MODEL, "show_progress": "hidden"}
        for f in followers:
            options |= f.event
        tab.select(scheduled(run, Urgency.CHANGE, "tab"), inputs, outputs, **options)


def _explaining(handler: Callable[..., Any], count_: int, place: int, followers: list[_Follower]) -> Callable[..., Any]:
    """A handler that explains, followed by what the open tab shows of it.

    Args:
        handler: with `count_` inputs.
        count_: the inputs after them are `Page.now` and those of the followers.
        place: of the new `Current` among the handler's outputs.
        followers: of all tabs.
    """

    def both(*values: Any, **given: Any) -> list[Any]:
        own, (now, *rest) = values[:count_], values[count_:]
        result = list(handler(*own, **given))
        current = result[place]
        nothing = [gr.skip() for f in followers for _ in (f.shown, *f.outputs)]
        if current is not None and not isinstance(current, Current):  # skipped
            return result + nothing
        now.current = current
        try:
            return result + _follow(now, current, followers, tuple(rest))
        except DalaError as error:  # the sidebar has changed all the same
            gr.Warning(alert(error).message, title="That did not work", duration=12)
            return result + nothing

    # What Gradio adds to the arguments: what was clicked, the request.
    hints = get_type_hints(handler)
    added = [p for p in inspect.signature(handler).parameters if issubclass(_type(hints.get(p)), ADDED)]
    both.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(p, inspect.Parameter.KEYWORD_ONLY, annotation=hints[p]) for p in added]
    )
    both.__annotations__ = {p: hints[p] for p in added}
    both.__name__ = handler.__name__
    return both


def _follow(now: _Now, current: Current | None, followers: list[_Follower], rest: tuple[Any, ...]) -> list[Any]:
    """Values of all followers' outputs; of closed tabs they are skipped."""
    values: list[Any] = []
    for f in followers:
        mine, rest = rest[: 1 + len(f.inputs)], rest[1 + len(f.inputs) :]
        values += f.run(current, *mine) if f.tab.id == now.opened else [gr.skip()] * (1 + len(f.outputs))
    return values


def _type(hint: Any) -> type:
    return hint if inspect.isclass(hint) else object
