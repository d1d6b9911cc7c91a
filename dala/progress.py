"""Report progress of long work, and cancel it."""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

__all__ = ["Progress", "finish"]

# Called with (done, total) units of work; an exception raised in it cancels the work.
Progress = Callable[[int, int], None]
T = TypeVar("T")


def finish(run: Generator[tuple[Any, ...], None, T], progress: Callable[..., None] | None = None) -> T:
    """Exhaust a generator and return its value, calling `progress` with each step.

    An exception from `progress` cancels the work.
    """
    while True:
        try:
            step = next(run)
        except StopIteration as end:
            result: T = end.value
            return result
        if progress:
            progress(*step)
