"""Who is there: a page keeps one request open, its heartbeat; when it ends, the visitor has closed the page."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dala.ui.server.events import SCHEDULER
from dala.ui.server.memory import trim

__all__ = ["GRACE", "HEARTBEAT", "Presence"]

HEARTBEAT = "/gradio_api/heartbeat/"
# A connection may break, and the page then opens another: what a session holds is kept so many seconds.
GRACE = 60.0


class Presence:
    """Counts the heartbeats of every session. For the event loop alone."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def of(self, session: str, app: Any) -> Iterator[None]:
        """Count a heartbeat while the block lasts; stop a session's jobs after its last, and then forget its state.

        Args:
            session: its hash.
            app: Gradio's, which holds the states.
        """
        self._open[session] += 1
        try:
            yield
        finally:
            self._open[session] -= 1
            if not self._open[session]:
                del self._open[session]
                SCHEDULER.leave(session)
                task = asyncio.get_running_loop().create_task(self._forget(session, app))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _forget(self, session: str, app: Any) -> None:
        await asyncio.sleep(GRACE)
        if session in self._open:
            return
        holder = app.state_holder
        holder.delete_state(session)
        holder.session_data.pop(session, None)
        holder.time_last_used.pop(session, None)
        await asyncio.to_thread(trim)
