"""Gradio's `Blocks` with hooks that check every event's files and turn every failure into a sentence."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.components.api_component import Api
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage
from gradio.state_holder import SessionState

from dala.files import DiskError
from dala.images.preprocessing import ImageError
from dala.ui.alert import alert
from dala.ui.server.uploads import disk_errors, uploaded_file

__all__ = ["Blocks", "files"]


FULL = "More visitors are waiting than this server can serve: try again in a minute."
UNFIT = "This request does not fit the page: reload the page and try again."


class Blocks(gr.Blocks):
    """A page that fetches no URL and opens no path that a client names, and answers every error with a sentence.

    Gradio itself fetches a URL in a file's place before any handler runs, in every event and parameter.
    """

    def queue(self, *args: Any, **kwargs: Any) -> "Blocks":
        """Like Gradio's, with a queue that an event without a session does not break."""
        super().queue(*args, **kwargs)
        # Gradio has no option for the class of its queue.
        self._queue.__class__ = _Queue
        return self

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Like Gradio's, with a sentence for unexpected errors, too; the server's log has the traceback."""
        try:
            return await super().process_api(*args, **kwargs)
        except gr.Error as error:
            # A lone surrogate that a client sent and a message repeats cannot be encoded, and would end the session.
            error.message = str(error.message).encode("utf-8", "replace").decode()
            raise
        except Exception as error:
            raise gr.Error(UNFIT, title="That did not work", duration=12) from error

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> Any:
        """Refuse files that were not uploaded; fill in the defaults of the public endpoints' missing parameters."""
        try:
            for file in files(inputs):
                uploaded_file(file)
        except ImageError as error:
            raise alert(error) from None
        for component in block_fn.inputs[len(inputs) :]:
            if isinstance(component, Api):
                inputs = [*inputs, component.value]
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> Any:
        """Like Gradio's, with a sentence where the server's disk is full."""
        try:
            with disk_errors():
                return await super().postprocess_data(block_fn, predictions, state)
        except DiskError as error:
            raise alert(error) from None


class _Queue(Queue):
    async def push(self, *args: Any, **kwargs: Any) -> tuple[bool, Any, Any]:
        accepted, answer, state = await super().push(*args, **kwargs)
        return accepted, FULL if state == "queue_full" else answer, state

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        # An event without a session, or of a forgotten one, has no receiver. Gradio would raise here, and since it
        # sends all who wait their positions in one loop, the next event would fail.
        if event.session_hash in self.pending_messages_per_session:
            super().send_message(event, event_message)


def files(value: Any) -> Iterator[dict[str, Any]]:
    """Yield what Gradio takes for a file, at any depth of a request's value."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value
        for part in value.values():
            yield from files(part)
    elif isinstance(value, list):
        for part in value:
            yield from files(part)
