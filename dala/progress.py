"""Progress of long computations: the callback's type, generators that report steps and return a result, and slices."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

__all__ = ["Progress", "Tracked", "finish", "listening", "step"]

# Called with the steps done and the steps in all; an exception raised in it cancels the computation.
Progress = Callable[[int, int], None]
_listener: ContextVar[Progress | None] = ContextVar("listener", default=None)
Step = TypeVar("Step")
Result = TypeVar("Result")


class Tracked(Generic[Step, Result]):
    """Iterate over the steps of a generator, and keep the value that it returns.

    Attributes:
        result: the generator's return value; set when the iteration has ended.
    """

    result: Result

    def __init__(self, run: Generator[Step, None, Result]) -> None:
        self.run = run

    def __iter__(self) -> Iterator[Step]:
        self.result = yield from self.run


def finish(run: Generator[tuple[Any, ...], None, Result], progress: Callable[..., None] | None = None) -> Result:
    """Exhaust a generator and return its value, calling `progress` for each step; an exception from it cancels."""
    steps = Tracked(run)
    for step in steps:
        if progress:
            progress(*step)
    return steps.result


def step(done: int, total: int) -> None:
    """Say, between two slices of long work, how much of it is done; without effect where nobody listens.

    For work below functions that take no `Progress`. A listener may let other work go first, and may raise an
    exception, which cancels: hold no lock, and leave nothing half changed.
    """
    if (listener := _listener.get()) is not None:
        listener(done, total)


@contextmanager
def listening(listener: Progress, through: bool = True) -> Iterator[None]:
    """Let `listener` be called by `step` inside this block.

    Args:
        listener: called with (done, total).
        through: a listener outside is called afterwards, too.
    """
    outer = _listener.get() if through else None

    def both(done: int, total: int) -> None:
        listener(done, total)
        if outer is not None:
            outer(done, total)

    token = _listener.set(both)
    try:
        yield
    finally:
        _listener.reset(token)
