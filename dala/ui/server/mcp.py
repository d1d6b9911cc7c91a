"""The public endpoints as MCP tools: where Gradio's MCP server says too little, or would do too much.

A tool's picture is text, base64 or a data URL. Gradio would also fetch an address, and, where a schema lets an object
through, open a path on the server.
"""

import importlib.util
import json
import os
from typing import Any

import gradio.mcp

from dala.errors import DalaError
from dala.ui.server.blocks import files
from dala.ui.server.schemas import optional

__all__ = ["ToolsError", "offered"]


class ToolsError(DalaError):
    """MCP asked for where it is not to be had, or a tool asked to open a file."""


class Server(gradio.mcp.GradioMCPServer):
    """Gradio's MCP server, with schemas that are a fence and with answers in JSON."""

    def get_input_schema(
        self, tool_name: str, parameters: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], list[list[str | int]]]:
        """What a tool takes: no other parameters, and null for those that may be left out."""
        schema, positions = super().get_input_schema(tool_name, parameters)
        asked = {}
        for name, given in schema["properties"].items():
            told = {key: given[key] for key in ("description", "default") if key in given}
            kind = {k: v for k, v in given.items() if k not in (*told, "additional_description")}
            asked[name] = (kind if name in schema.get("required", ()) else optional(kind)) | told
        return schema | {"properties": asked, "additionalProperties": False}, positions

    def _prepare_tool_call_args(self, name: str, arguments: dict[str, Any]) -> Any:
        # The schemas let no file through; if one came, Gradio's client would read it from this server's disk.
        if any(files(arguments)):
            raise ToolsError("A picture is sent as base64 or as a data URL: an address or a path is not taken.")
        return super()._prepare_tool_call_args(name, arguments)

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Numbers as JSON, pictures as images: Gradio prints the first as Python, and at times all of it in one."""
        if len(data) == 1 and isinstance(data[0], list | tuple):
            data = data[0]
        told = [json.dumps(d, ensure_ascii=False) if isinstance(d, dict) and not any(files(d)) else d for d in data]
        return super().postprocess_output_data(told, root_url)


def offered() -> bool:
    """Whether `DALA_MCP` asks for MCP tools; then Gradio's next launch offers them.

    Raises:
        ToolsError: the package for it is not installed.
    """
    if os.environ.get("DALA_MCP", "").lower() in ("", "0", "false", "no"):
        return False
    if importlib.util.find_spec("mcp") is None:
        raise ToolsError('DALA_MCP needs one more package: pip install "gradio[mcp]"')
    gradio.mcp.GradioMCPServer = Server  # type: ignore[misc]
    return True
