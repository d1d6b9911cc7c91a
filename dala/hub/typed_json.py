"""Read a JSON object from a file and check the type of every value."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from dala.errors import DalaError
from dala.files import read_json

__all__ = ["read"]

T = TypeVar("T")


def read(file: Path, adapter: TypeAdapter[T], most: int, error: type[DalaError], hint: str) -> T:
    """Read a JSON object whose type is a `TypedDict`.

    Args:
        file: UTF-8.
        adapter: of the type. Keys that it does not name are kept, unless the type forbids them.
        most: largest accepted size in bytes.
        error: class of the exception.
        hint: what to do about a missing value or one of a wrong type.

    Returns:
        the file's content as it is.

    Raises:
        error: a file that cannot be read, is no JSON object, or has a value of a wrong type.
    """
    try:
        value: T = read_json(file, most)
    except OSError as cause:
        raise error(f"{file}: {cause.strerror}.") from cause
    except ValueError as cause:
        raise error(f"{file} is not JSON.") from cause
    if not isinstance(value, dict):
        raise error(f"{file} is not a JSON object.")
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as cause:
        raise error(f"{file}: {_first(cause)}; {hint}.") from cause
    return value


def _first(cause: ValidationError) -> str:
    """The first problem, with the place of the value; a place that cannot be printed is left out."""
    first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    place = place if place.isprintable() and len(place) < 200 else "a value"
    if first["type"] in ("missing", "extra_forbidden"):
        return f"{place} is missing" if first["type"] == "missing" else f"there is no key named {place}"
    return f"{place} is not valid ({first['msg']})"
