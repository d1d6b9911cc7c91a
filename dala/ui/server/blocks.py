"""What a request may bring, checked before Gradio acts on it."""

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
from dala.ui.server.uploads import kept, sentence, uploaded_file

__all__ = ["Blocks", "files"]


FULL = "More visitors are waiting than this server can serve: try again in a minute."
UNFIT = "This request does not fit the page: reload the page and try again."


class Blocks(gr.Blocks):
    """A page that follows no address that a visitor names, whichever event and parameter it comes in, and that answers
    whatever goes wrong with a sentence.

    Gradio fetches an address that stands in a file's place before any handler runs.
    """

    def queue(self, *given: Any, **named: Any) -> "Blocks":
        """As Gradio's, but no event in it keeps others out."""
        super().queue(*given, **named)
        self._queue.__class__ = _Queue
        return self

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """As Gradio's, but what a handler did not foresee is told to the visitor, too; why, the server's log tells."""
        try:
            return await super().process_api(*given, **named)
        except gr.Error as error:
            # Half a surrogate pair that a visitor sent and is told again cannot be sent, and would end all his answers.
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
        """Refuse files that were not uploaded; give the public endpoints' parameters left out their defaults."""
        try:
            for file in files(inputs):
                uploaded_file(file)
        except ImageError as error:
            raise sentence(error) from None
        for component in block_fn.inputs[len(inputs) :]:
            if isinstance(component, Api):
                inputs = [*inputs, component.value]
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> Any:
        """Tell a visitor of a disk on which the pictures of an answer find no room."""
        try:
            with kept():
                return await super().postprocess_data(block_fn, predictions, state)
        except DiskError as error:
            raise sentence(error) from None


class _Queue(Queue):
    async def push(self, *given: Any, **named: Any) -> tuple[bool, Any, Any]:
        done, told, state = await super().push(*given, **named)
        return done, FULL if state == "queue_full" else told, state

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        # Of an event whose session has no name, or was forgotten, nobody hears. Gradio would fail here, and since all
        # who wait are told of their places together, at the cost of whoever comes next.
        if event.session_hash in self.pending_messages_per_session:
            super().send_message(event, event_message)


def files(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever Gradio takes for a file in a value that a request brings, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value
        for part in value.values():
            yield from files(part)
    elif isinstance(value, list):
        for part in value:
            yield from files(part)
