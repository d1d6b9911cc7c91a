"""The public endpoints as MCP tools: Gradio's MCP server with stricter schemas and answers in JSON.

MCP tools take images as base64 or data URLs. Gradio would also fetch a URL and, where a schema lets an object through,
open a path on the server.
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
    """The MCP package is missing, or a tool was called with a file."""


class Server(gradio.mcp.GradioMCPServer):
    """Gradio's MCP server; what its schemas do not name is refused."""

    def get_input_schema(
        self, tool_name: str, parameters: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], list[list[str | int]]]:
        """Schema of a tool: no other parameters, and null for those that have a default."""
        schema, positions = super().get_input_schema(tool_name, parameters)
        properties = {}
        for name, parameter in schema["properties"].items():
            notes = {key: parameter[key] for key in ("description", "default") if key in parameter}
            kind = {k: v for k, v in parameter.items() if k not in (*notes, "additional_description")}
            properties[name] = (kind if name in schema.get("required", ()) else optional(kind)) | notes
        return schema | {"properties": properties, "additionalProperties": False}, positions

    def _prepare_tool_call_args(self, name: str, arguments: dict[str, Any]) -> Any:
        # The schemas let no file through; if one came, Gradio's client would read it from this server's disk.
        if any(files(arguments)):
            raise ToolsError("Send a picture as base64 or as a data URL: an address or a path is not taken.")
        return super()._prepare_tool_call_args(name, arguments)

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Numbers as JSON, pictures as images: Gradio prints dicts as Python, and at times the whole answer as one."""
        if len(data) == 1 and isinstance(data[0], list | tuple):
            data = data[0]
        parts = [json.dumps(d, ensure_ascii=False) if isinstance(d, dict) and not any(files(d)) else d for d in data]
        return super().postprocess_output_data(parts, root_url)


def offered() -> bool:
    """Whether `DALA_MCP` turns the MCP tools on; if so, Gradio's next launch offers them.

    Raises:
        ToolsError: the package for it is not installed.
    """
    if os.environ.get("DALA_MCP", "").lower() in ("", "0", "false", "no"):
        return False
    if importlib.util.find_spec("mcp") is None:
        raise ToolsError('DALA_MCP needs one more package: pip install "gradio[mcp]"')
    gradio.mcp.GradioMCPServer = Server  # type: ignore[misc]
    return True
