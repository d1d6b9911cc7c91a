"""Checkpoints that survive a full disk, and an interrupt that waits for the step to end."""

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
    """Write a checkpoint beside the last one, then put it in its place.

    Raises:
        CheckpointError: no room, or no permission; the last one is still there.
    """
    part = file.with_name(file.name + ".part")
    try:
        with part.open("wb") as stream:
            torch.save(state, stream)
        part.replace(file)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        # The serialiser wraps what the disk says into an error of its own.
        cause = next((e for e in (error, error.__cause__, error.__context__) if isinstance(e, OSError)), None)
        if cause is None:
            raise
        raise CheckpointError(
            f"{file}: cannot be written ({cause.strerror}); the one before it is kept, --resume goes on from there."
        ) from error


def read(file: Path) -> dict[str, Any]:
    """What `write` wrote; tensors and plain values only.

    Raises:
        CheckpointError: not such a file.
    """
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{file}: not a complete checkpoint; without --resume training starts anew.") from error
    return state


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C, or a scheduler's SIGTERM, sets instead of tearing a step apart; a second Ctrl-C does."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
