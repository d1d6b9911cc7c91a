"""Progress callbacks."""

from collections.abc import Callable, Generator
from typing import Any

from dala.cam.perturbation import T

__all__ = ["Progress", "finish"]

# Called with the bytes done and the bytes in all; an exception raised in it cancels the download.
Progress = Callable[[int, int], None]
Progress = Callable[[int, int], None]


def finish(run: Generator[tuple[Any, ...], None, T], progress: Callable[..., None] | None = None) -> T:
    """Run a generator of steps to its end: what it returns. Each step is told; what `progress` raises cancels."""
    while True:
        try:
            step = next(run)
        except StopIteration as end:
            result: T = end.value
            return result
        if progress:
            progress(*step)
