"""What a request may bring, checked before Gradio acts on it."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.components.api_component import Api
from gradio.state_holder import SessionState

from dala.disk import DiskError
from dala.images import ImageError
from dala.ui.uploads import kept, sentence, uploaded_file

__all__ = ["Blocks", "files"]


class Blocks(gr.Blocks):
    """A page that follows no address that a visitor names, whichever event and parameter it comes in.

    Gradio fetches an address that stands in a file's place before any handler runs.
    """

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
