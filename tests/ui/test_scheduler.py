"""Many visitors and one network: short work first, in slices, and none for somebody who has left."""

import json
import threading
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from dala.phantoms import phantom
from dala.progress import step
from dala.ui import price
from dala.ui.mapview.view import payload
from dala.ui.server import pictures, scheduler
from dala.ui.server.scheduler import Scheduler, StoppedError, Urgency


@pytest.fixture
def jobs(monkeypatch) -> Scheduler:
    monkeypatch.setattr(scheduler, "SHORTEST", 0.0)
    return Scheduler()


def sliced(begun: threading.Event, slices: list[int], count: int = 400):
    """Work in slices of 5 ms, each of which is noted."""

    def work() -> str:
        for k in range(count):
            begun.set()
            time.sleep(0.005)
            slices.append(k)
            step(k + 1, count)
        return "long"

    return work


def test_a_picture_overtakes_long_work(jobs):
    begun, slices = threading.Event(), []
    long = jobs.submit(sliced(begun, slices), Urgency.LONG, "a")
    assert begun.wait(10)
    short = jobs.submit(lambda: len(slices), Urgency.FIRST, "b")
    assert short.future.result(10) < 400
    assert not long.future.done()
    assert long.future.result(30) == "long"
    assert slices == list(range(400))


def test_more_visitors_than_threads_all_get_their_turn(jobs):
    begun = threading.Event()
    all_ = [jobs.submit(sliced(begun, [], 5), Urgency.CHANGE, k) for k in range(3 * scheduler.MOST_THREADS)]
    assert [job.future.result(30) for job in all_] == ["long"] * len(all_)


def test_what_waits_goes_by_urgency_and_then_by_its_turn(jobs):
    free, order, begun = threading.Event(), [], threading.Event()
    first = jobs.submit(lambda: begun.set() or free.wait(10), Urgency.LONG)
    assert begun.wait(10)
    wanted = [Urgency.LONG, Urgency.COMPARE, Urgency.FIRST, Urgency.CHANGE, Urgency.FIRST]
    rest = [jobs.submit(lambda k=k: order.append(k), urgency) for k, urgency in enumerate(wanted)]
    free.set()
    for job in (first, *rest):
        job.future.result(10)
    assert order == [2, 4, 3, 1, 0]


def test_work_ends_with_its_visitor_and_others_stay(jobs):
    begun, slices = threading.Event(), []
    long = jobs.submit(sliced(begun, slices), Urgency.LONG, "gone", "compare")
    waiting = jobs.submit(lambda: slices.append("never"), Urgency.LONG, "gone", "trust")
    other = jobs.submit(lambda: "done", Urgency.LONG, "here", "compare")
    assert begun.wait(10)
    jobs.leave("gone")
    for job in (long, waiting):
        with pytest.raises(StoppedError):
            job.future.result(10)
    assert other.future.result(10) == "done"
    assert "never" not in slices
    assert len(slices) < 400
    assert long.work is None  # it held the visitor's picture and maps
    assert jobs.busy == 0


@pytest.mark.parametrize(
    ("kind", "replaces", "stopped"), [("compare", False, True), ("tab", False, False), ("picture", True, True)]
)
def test_a_new_choice_stops_the_one_before(jobs, kind, replaces, stopped):
    begun, slices = threading.Event(), []
    before = jobs.submit(sliced(begun, slices, 60), Urgency.COMPARE, "a", "compare")
    assert begun.wait(10)
    assert jobs.submit(lambda: "new", Urgency.FIRST, "a", kind, replaces).future.result(10) == "new"
    if stopped:
        with pytest.raises(StoppedError):
            before.future.result(10)
    else:
        assert before.future.result(10) == "long"


def test_an_error_reaches_who_waits_and_stops_nobody_else(jobs):
    with pytest.raises(ZeroDivisionError):
        jobs.submit(lambda: 1 / 0, Urgency.FIRST).future.result(10)
    assert jobs.submit(lambda: 1, Urgency.FIRST).future.result(10) == 1


def test_a_busy_visitor_keeps_no_other_waiting_and_both_get_their_own_maps(jobs, small, patch):
    alone = small.explain(patch, methods=("head_score_cam",), layer="layer3").signed["head_score_cam"]
    other, done = phantom.make(5, size=(128, 96)).picture, []
    expected = small.explain(other).signed["grad_cam"]

    def busy() -> torch.Tensor:
        map_ = small.explain(patch, methods=("head_score_cam",), layer="layer3").signed["head_score_cam"]
        done.append("busy")
        return map_

    first = jobs.submit(busy, Urgency.LONG, "a")
    second = jobs.submit(lambda: done.append("short") or small.explain(other).signed["grad_cam"], Urgency.FIRST, "b")
    assert torch.equal(second.future.result(60), expected)
    assert torch.equal(first.future.result(60), alone)
    assert done == ["short", "busy"]


def test_the_price_is_that_of_the_whole_work_and_most_of_it_is_not_run():
    slices: list[int] = []
    seconds = price.expected(sliced(threading.Event(), slices, 100))
    assert 0.4 < seconds < 2
    assert len(slices) <= 3
    assert [price.words(s) for s in (0.2, 4.4, 33, 95, 150, 400)] == [
        "1 s",
        "4 s",
        "35 s",
        "1 min 40 s",
        "2 min 30 s",
        "7 min",
    ]


def test_a_picture_is_stored_once_without_loss_and_another_class_sends_little(explainer):
    picture = phantom.make(4).picture
    e = explainer.explain(picture)
    file = pictures.stored(e.picture)
    np.testing.assert_array_equal(np.asarray(Image.open(file)), np.asarray(e.picture))
    assert pictures.stored(e.picture) == file
    other = explainer.retarget(e, next(name for name in e.class_names if name != e.target))
    sent = json.dumps(payload(other)).encode()
    assert len(zlib.compress(sent)) <= 40_000
    assert pictures.stored(other.picture) == file
