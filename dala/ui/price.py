"""What slow maps cost, in seconds of this machine: measured on a slice of the work itself, once for each size."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from dala import cam
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.progress import listening

__all__ = ["NOTABLE", "Prices", "expected", "progress_of", "words"]

NOTABLE = 3.0  # what takes longer, in seconds, is not begun before its price was shown


class _EnoughError(Exception):
    pass


class Prices:
    """Expected seconds by network, layer, size of the picture and method."""

    def __init__(self) -> None:
        self._seconds: WeakKeyDictionary[Explainer, dict[Any, float]] = WeakKeyDictionary()

    def slow(self, explainer: Explainer, start: Explanation, methods: Sequence[str]) -> dict[str, float]:
        """Those of the methods that take more than `NOTABLE`, with their seconds.

        Args:
            explainer: the network.
            start: its explanation of the picture at the layer, with feature maps.
            methods: names; only those that run the network's head for each channel are measured.
        """
        known = self._seconds.setdefault(explainer, {})
        seconds = {}
        for name in methods:
            if not cam.METHODS[name].per_channel:
                continue
            key = (start.layer, start.picture.size, name)
            if key not in known:
                known[key] = expected(partial(explainer.retarget, start, start.target, methods=(name,)))
            seconds[name] = known[key]
        return {name: value for name, value in seconds.items() if value > NOTABLE}


def expected(work: Callable[[], Any]) -> float:
    """Seconds that some work will take, from its first slices; it is cancelled after the second.

    Args:
        work: it calls `dala.progress.step` between slices; without any it runs to its end.
    """
    times: list[float] = [time.perf_counter()]
    share = 1.0

    def listen(done: int, total: int) -> None:
        nonlocal share
        times.append(time.perf_counter())
        if len(times) == 3 and done < total:
            # The first slice may pay for what later ones find prepared.
            share = 1 / max(1, total - 1)
            raise _EnoughError

    try:
        with listening(listen, through=False):  # time spent on others is no part of the price
            work()
    except _EnoughError:
        return times[1] - times[0] + (times[2] - times[1]) / share
    return time.perf_counter() - times[0]


def words(seconds: float) -> str:
    """A duration as people say it: "20 s", "2 min 30 s"; in steps, since it is an estimate."""
    if seconds < 60:
        step = 1 if seconds < 10 else 5
        return f"{max(step, step * round(seconds / step))} s"
    if seconds >= 300:
        return f"{round(seconds / 60)} min"
    minutes, rest = divmod(10 * round(seconds / 10), 60)
    return f"{minutes} min" + (f" {rest} s" if rest else "")


@contextmanager
def progress_of(progress: Callable[..., Any], methods: Sequence[str]) -> Iterator[None]:
    """Show how much of slow methods is done, and how long the rest will take."""
    count = sum(cam.METHODS[name].per_channel for name in methods)
    began, ended, before = time.monotonic(), 0, 0

    def say(done: int, total: int) -> None:
        nonlocal ended, before
        ended, before = ended + (done < before), done
        share = min((ended + done / total) / count, 1)
        left = (time.monotonic() - began) * (1 / share - 1)
        progress(share, desc=f"about {words(left)} left")

    with listening(say):
        yield
