"""Handlers of the page's events as jobs of the scheduler: nothing waits in a thread, and nothing runs for nobody."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import suppress
from typing import Any, get_type_hints

import gradio as gr

from dala.progress import step
from dala.ui.server.memory import trim
from dala.ui.server.scheduler import Job, Scheduler, StoppedError, Urgency

__all__ = ["ADDED", "SCHEDULER", "scheduled"]

# Of all pages of this process, since they share its cores.
SCHEDULER = Scheduler(idle=trim)
# Arguments that Gradio adds to a handler's by their types: what was clicked, the request.
ADDED = (gr.EventData, gr.Request)
_END = object()


def scheduled(handler: Callable[..., Any], urgency: Urgency, kind: str = "", replaces: bool = False) -> Any:
    """Turn a handler into one that runs as a job of the visitor's session.

    A generator's values are sent as they come, and others may use the network between two of them. Where a job is
    stopped, because its visitor left or chose anew, the page is left as it is.

    Args:
        handler: a function or a generator function, as Gradio takes it.
        urgency, kind, replaces: see `Scheduler.submit`.
    """
    special = {p.name: p for p in inspect.signature(handler).parameters.values() if _special(handler, p)}
    generates = inspect.isgeneratorfunction(handler)

    def call(request: gr.Request, arguments: tuple[Any, ...]) -> Callable[[], Any]:
        named = dict(zip(special, arguments, strict=False))
        return lambda: handler(*arguments[len(special) :], **named)

    async def once(request_: gr.Request, *arguments: Any) -> Any:
        job = _submit(call(request_, arguments), request_)
        try:
            return await asyncio.shield(asyncio.wrap_future(job.future))
        except StoppedError:
            return gr.skip()
        finally:
            SCHEDULER.stop(job)

    async def stream(request_: gr.Request, *arguments: Any) -> AsyncIterator[Any]:
        values: asyncio.Queue[Any] = asyncio.Queue()
        put = _putting(values)
        job = _submit(lambda: _pass_on(call(request_, arguments)(), put), request_)
        job.future.add_done_callback(lambda _: put(_END))
        try:
            while (value := await values.get()) is not _END:
                yield value
            with suppress(StoppedError):
                job.future.result()
        finally:
            SCHEDULER.stop(job)

    def _submit(work: Callable[[], Any], request: gr.Request) -> Job:
        return SCHEDULER.submit(work, urgency, getattr(request, "session_hash", None), kind, replaces)

    run: Any = stream if generates else once
    _declare(run, handler, special)
    return run


def _declare(run: Any, handler: Callable[..., Any], special: dict[str, inspect.Parameter]) -> None:
    """Give a job the handler's name, and parameters by whose types Gradio knows what to add to the arguments."""
    first = inspect.Parameter("request_", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    rest = inspect.Parameter("arguments", inspect.Parameter.VAR_POSITIONAL)
    more = [p.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in special.values()]
    run.__signature__ = inspect.Signature([first, *more, rest])
    hints = get_type_hints(handler)
    run.__annotations__ = {"request_": gr.Request} | {name: hints[name] for name in special if name in hints}
    run.__name__ = getattr(handler, "__name__", "handler")


def _special(handler: Callable[..., Any], parameter: inspect.Parameter) -> bool:
    """Whether Gradio provides this argument: what was clicked, the request, or a progress bar."""
    hint = get_type_hints(handler).get(parameter.name)
    given = inspect.isclass(hint) and issubclass(hint, ADDED)
    return given or isinstance(parameter.default, gr.Progress)


def _putting(values: asyncio.Queue[Any]) -> Callable[[Any], None]:
    """A function that puts a value into the queue, from any thread."""
    loop = asyncio.get_running_loop()

    def put(value: Any) -> None:
        with suppress(RuntimeError):  # the server has stopped
            loop.call_soon_threadsafe(values.put_nowait, value)

    return put


def _pass_on(run: Generator[Any, None, None], put: Callable[[Any], None]) -> None:
    try:
        for value in run:
            put(value)
            step(0, 1)
    finally:
        run.close()
