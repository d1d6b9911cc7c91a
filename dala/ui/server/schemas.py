"""Parameters of the public endpoints: pydantic checks what a client sends, a JSON schema says what it may send.

Over MCP the schemas are enforced, too, by the MCP server itself: see `dala.ui.server.mcp`.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError, WithJsonSchema

from dala.errors import DalaError

__all__ = [
    "FLAG", "INTEGER", "NUMBER", "PICTURE", "RAW_MAP", "TEXT", "ApiError", "Parameter", "Schema", "choice", "choices",
    "optional",
]  # fmt: skip

Schema = dict[str, Any]

# A whole number stays one, so that an answer repeats it as it was sent.
Number = Annotated[int | float, WithJsonSchema({"type": "number"})]
# The first wrong value ends the check: a list of 100,000 of them took seconds.
Row = Annotated[list[Number], Field(fail_fast=True)]
Rows = Annotated[list[Row], Field(fail_fast=True)]


class ApiError(DalaError):
    """A parameter of the wrong type, or one without another that it needs."""


class Parameter:
    """The type of a parameter.

    Args:
        kind: what pydantic accepts, without converting anything.
        words: what that is, for an error message: "a number".
        schema: JSON schema for clients; by default pydantic's own for the kind.
    """

    def __init__(self, kind: Any, words: str, schema: Schema | None = None) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
        self.words = words
        self.schema = schema or self._adapter.json_schema()

    def check(self, name: str, value: Any) -> Any:
        """Return the value; ApiError if it has another type."""
        try:
            return self._adapter.validate_python(value, strict=True)
        except ValidationError:
            raise ApiError(f"`{name}` has to be {self.words}.") from None


TEXT = Parameter(str, "text")
FLAG = Parameter(bool, "true or false")
NUMBER = Parameter(Number, "a number")
INTEGER = Parameter(int, "a whole number")
RAW_MAP = Parameter(str | Rows, "text or a list of rows of numbers")
# A picture may also be an uploaded file, which `dala.ui.server.uploads` checks.
PICTURE = Parameter(Any, "a picture", TEXT.schema)


def choice(names: Sequence[str]) -> Parameter:
    """One of several names; a name that is not among them is refused by the code that knows them."""
    return Parameter(str, "text", {"type": "string", "enum": list(names)})


def choices(names: Sequence[str]) -> Parameter:
    """A list of names out of several; unknown names are refused as in `choice`."""
    kind = Annotated[list[str], Field(fail_fast=True)]
    return Parameter(kind, "a list of names", {"type": "array", "items": choice(names).schema})


def optional(schema: Schema) -> Schema:
    """The schema, or null for the default."""
    if "enum" in schema:  # in one, since an error message about a name then lists the valid ones
        return {"type": ["string", "null"], "enum": [*schema["enum"], None]}
    return {"anyOf": [schema, {"type": "null"}]}
