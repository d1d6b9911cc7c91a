"""A visitor who closes the page: long work ends, and what the server holds of the visit is freed."""

import gc
import threading
import time

import httpx
import pytest

from dala.explain.explanation import Explanation
from dala.ui.server import presence
from dala.ui.server.events import SCHEDULER
from dala.ui.server.scheduler import StoppedError, Urgency
from tests.app.test_requests import event, uploaded
from tests.support.clients import FILE
from tests.ui.test_scheduler import sliced


def until(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def held() -> int:
    """How many explanations of this test's picture, known by its odd size, are alive."""
    gc.collect()
    return sum(isinstance(o, Explanation) and o.original_size == (131, 97) for o in gc.get_objects())


def test_closing_the_page_ends_the_work_and_frees_the_picture(served, patch, tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "GRACE", 0.2)
    file, session, begun = tmp_path / "mine.png", "visitor-who-leaves", threading.Event()
    patch.resize((131, 97)).save(file)
    with httpx.Client(base_url=served.local_url, timeout=60) as visitor:
        with visitor.stream("GET", f"gradio_api/heartbeat/{session}"):
            assert event(visitor, served, "upload", session, [{"path": uploaded(visitor, file), **FILE}])["success"]
            assert session in served.app.state_holder.session_data
            assert held() == 1
            job = SCHEDULER.submit(sliced(begun, [], 4000), Urgency.LONG, session, "compare")
            assert begun.wait(20)
        with pytest.raises(StoppedError):
            job.future.result(20)
        assert until(lambda: session not in served.app.state_holder.session_data)
        assert until(lambda: not held())
