"""Checkpoints that survive a full disk, and an interrupt that takes effect after the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from dala.errors import DalaError

__all__ = ["CheckpointError", "read", "stoppable", "write"]


class CheckpointError(DalaError):
    """A checkpoint that cannot be written or read."""


def write(state: dict[str, Any], file: Path) -> None:
    """Write a checkpoint to a temporary file, then replace the previous checkpoint by it.

    Raises:
        CheckpointError: no room, or no permission; the previous checkpoint is unchanged.
    """
    part = file.with_name(file.name + ".part")
    try:
        with part.open("wb") as stream:
            torch.save(state, stream)
        part.replace(file)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        # torch wraps the operating system's error into a RuntimeError.
        cause = next((e for e in (error, error.__cause__, error.__context__) if isinstance(e, OSError)), None)
        if cause is None:
            raise
        raise CheckpointError(
            f"{file}: cannot be written ({cause.strerror}); the previous one is kept: resume the run from it."
        ) from error


def read(file: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors and plain values only.

    Raises:
        CheckpointError: not a checkpoint, or an incomplete one.
    """
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{file}: not a complete checkpoint; delete it, or start the run again without `resume`."
        ) from error
    return state


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets, instead of interrupting a step; a second one raises.

    Raises:
        KeyboardInterrupt: the second signal.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    previous = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
