"""Types of the public endpoints' parameters: as JSON schemas for those who call, as checks for what they send.

Over MCP the schemas are a fence, too: see `dala.ui.server.mcp`.
"""

from collections.abc import Sequence
from typing import Any

__all__ = ["FLAG", "INTEGER", "NUMBER", "ROWS", "TEXT", "Schema", "choice", "choices", "fits", "optional", "words"]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
ROWS: Schema = {"type": "array", "items": {"type": "array", "items": NUMBER}}

KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "text"),
    "number": ((int, float), "a number"),
    "integer": ((int,), "a whole number"),
    "boolean": ((bool,), "true or false"),
}


def choice(names: Sequence[str]) -> Schema:
    """One of several names."""
    return {"type": "string", "enum": list(names)}


def choices(names: Sequence[str]) -> Schema:
    """A list of names out of several."""
    return {"type": "array", "items": choice(names)}


def optional(schema: Schema) -> Schema:
    """The same, or null for the default."""
    if "enum" in schema:  # in one, since a complaint about a name then tells which there are
        return {"type": ["string", "null"], "enum": [*schema["enum"], None]}
    return {"anyOf": [schema, {"type": "null"}]}


def fits(value: Any, schema: Schema) -> bool:
    """Whether a value is of a schema's type. Which names there are is told elsewhere, by what knows them."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    if schema["type"] == "array":
        return isinstance(value, list) and all(fits(part, schema["items"]) for part in value)
    # To Python, True is a whole number.
    return isinstance(value, KINDS[schema["type"]][0]) and (schema is FLAG or not isinstance(value, bool))


def words(schema: Schema) -> str:
    """What a schema asks for: "a number"."""
    if "anyOf" in schema:
        return " or ".join(words(one) for one in schema["anyOf"])
    if schema["type"] == "array":
        return "a list of rows of numbers" if schema["items"]["type"] == "array" else "a list of names"
    return KINDS[schema["type"]][1]
