"""Generators that report steps and return a result."""

import pytest

from dala.progress import Tracked, finish


def count(n, closed):
    try:
        for i in range(n):
            yield i + 1, n
    finally:
        closed.append(n)
    return "done"


def test_steps_are_reported_and_the_result_is_returned():
    seen, closed = [], []
    assert finish(count(3, closed), lambda *step: seen.append(step)) == "done"
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert finish(count(0, closed)) == "done"
    steps = Tracked(count(2, closed))
    assert list(steps) == [(1, 2), (2, 2)]
    assert steps.result == "done"


def test_an_exception_of_the_progress_function_cancels():
    closed = []

    def stop(done, total):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        finish(count(5, closed), stop)
    assert closed == [5]


def test_a_consumer_that_stops_closes_the_generator():
    closed = []

    def outer():
        yield from Tracked(count(5, closed))

    run = outer()
    next(run)
    run.close()
    assert closed == [5]
