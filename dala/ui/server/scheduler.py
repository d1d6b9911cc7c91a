"""One network, many visitors: whose turn it is.

A job is a function. It runs in a thread, but only while it has the turn, which one job has at a time. Long work calls
`dala.progress.step` between its slices; there it ends if nobody waits for it any more, and hands the turn on if a more
urgent job waits, or another one as urgent as itself. So a short job waits for one slice at most, whatever runs.
"""

import contextvars
import heapq
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from itertools import count
from typing import Any

from dala.progress import listening

__all__ = ["Job", "Scheduler", "StoppedError", "Urgency"]

# Jobs that have begun and gave way; further long ones begin when one of these has ended. Each holds a thread and the
# memory of its maps.
MOST_BEGUN = 4
# A slice that is shorter goes on: changing threads costs more than it gains.
SHORTEST = 0.1
# Threads. A job that began without one would hold the turn and never run.
MOST_THREADS = MOST_BEGUN + 4
# The server is idle after so many seconds without a job.
REST = 1.0
_order = count()


class Urgency(IntEnum):
    """What is served first."""

    FIRST = 0  # a picture that a visitor waits for
    CHANGE = 1  # another class or tab
    COMPARE = 2  # a second or two of work
    LONG = 3  # more


class StoppedError(Exception):
    """Nobody waits for this job any more: its visitor left, stopped it, or chose anew."""


class Job:
    """A function that waits for its turn, runs, or has ended.

    Args:
        work: without arguments; runs in the context (`contextvars`) in which the job was made.
        urgency: what is served first.
        session: whose job it is; None if it belongs to nobody who could leave.

    Attributes:
        future: the result; StoppedError if the job was stopped.
    """

    def __init__(self, work: Callable[[], Any], urgency: Urgency, session: Hashable) -> None:
        self.work, self.urgency, self.session = work, urgency, session
        self.future: Future[Any] = Future()
        self.stopped = self.begun = False
        self.since = 0.0
        self.turn = threading.Event()
        self.context = contextvars.copy_context()


class Scheduler:
    """Runs jobs one at a time, the most urgent first. Thread-safe.

    Args:
        idle: called when no job has run for `REST` seconds after some did.
    """

    def __init__(self, idle: Callable[[], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, Job]] = []
        self._now: Job | None = None
        self._begun = 0
        self._kinds: dict[tuple[Hashable, str], Job] = {}
        self._idle, self._rest = idle, threading.Timer(0, lambda: None)
        # A thread that exists is used again; there are never more than the jobs that have begun.
        self._threads = ThreadPoolExecutor(MOST_THREADS, "network")

    def submit(
        self,
        work: Callable[[], Any],
        urgency: Urgency,
        session: Hashable = None,
        kind: str = "",
        replaces: bool = False,
    ) -> Job:
        """Let a job wait for its turn.

        Args:
            work, urgency, session: see `Job`.
            kind: a job stops the session's earlier one of the same kind; "" stops none.
            replaces: stop all other jobs of the session.
        """
        job = Job(work, urgency, session)
        with self._lock:
            if session is not None and kind:
                earlier = list(self._kinds) if replaces else [(session, kind)]
                for key in earlier:
                    if key[0] == session and key in self._kinds:
                        self._stop(self._kinds.pop(key))
                self._kinds[session, kind] = job
                job.future.add_done_callback(lambda _: self._forget((session, kind), job))
            self._wait(job)
            self._next()
        return job

    def stop(self, job: Job) -> None:
        """End a job at its next slice, at once if it has not begun; no effect if it has ended."""
        with self._lock:
            self._stop(job)
            self._next()

    def leave(self, session: Hashable) -> None:
        """Stop all jobs of a session."""
        with self._lock:
            for key, job in list(self._kinds.items()):
                if key[0] == session:
                    self._stop(job)
            self._next()

    @property
    def busy(self) -> int:
        """How many jobs run or wait."""
        with self._lock:
            return len(self._waiting) + (self._now is not None)

    def _stop(self, job: Job) -> None:
        job.stopped = True
        place = next((k for k, (_, _, other) in enumerate(self._waiting) if other is job), None)
        if place is None:
            return
        if job.begun:  # it gives up what it holds as soon as the turn is free
            self._waiting[place] = (-1, next(_order), job)
        else:
            del self._waiting[place]
            job.future.set_exception(StoppedError())
        heapq.heapify(self._waiting)

    def _forget(self, key: tuple[Hashable, str], job: Job) -> None:
        # Also called where the lock is held, when a job that never began is stopped.
        if self._kinds.get(key) is job:
            self._kinds.pop(key, None)

    def _wait(self, job: Job) -> None:
        heapq.heappush(self._waiting, (job.urgency, next(_order), job))

    def _next(self) -> None:
        """Give the turn to the first job that may have it, if it is free."""
        if self._now is not None:
            return
        full = self._begun >= MOST_BEGUN
        for entry in sorted(self._waiting):
            job = entry[2]
            free = self._begun < MOST_THREADS and (job.urgency < Urgency.COMPARE or not full)
            if job.begun or free:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
                self._rest.cancel()
                self._now, job.since = job, time.monotonic()
                if job.begun:
                    job.turn.set()
                else:
                    job.begun = True
                    self._begun += 1
                    self._threads.submit(self._run, job)
                return

    def _run(self, job: Job) -> None:
        result: Any = None
        raised: BaseException | None = None
        try:
            result = job.context.run(self._work, job)
        except BaseException as error:
            raised = error
        with self._lock:
            self._now, self._begun = None, self._begun - 1
            self._next()
            if self._now is None and self._idle:
                self._rest = threading.Timer(REST, self._idle)
                self._rest.daemon = True
                self._rest.start()
        if raised is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(raised)
        # The thread keeps its last call until the next one: without this, pictures and maps of a visitor who left.
        job.work = None  # type: ignore[assignment]
        job.context = contextvars.Context()

    def _work(self, job: Job) -> Any:
        with listening(lambda _done, _total: self._between(job), through=False):
            return job.work()

    def _between(self, job: Job) -> None:
        """Called by a job between two slices."""
        if job.stopped:
            raise StoppedError
        if time.monotonic() - job.since < SHORTEST:
            return
        with self._lock:
            if not any(entry[0] <= job.urgency for entry in self._waiting):
                return
            job.turn.clear()
            self._wait(job)
            self._now = None
            self._next()
        job.turn.wait()
        if job.stopped:
            raise StoppedError
