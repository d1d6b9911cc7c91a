"""Progress of long computations: the callback's type, and generators that report steps and return a result."""

from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

__all__ = ["Progress", "Tracked", "finish"]

# Called with the steps done and the steps in all; an exception raised in it cancels the computation.
Progress = Callable[[int, int], None]
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
