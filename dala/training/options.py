"""Settings as options: a field with its help text and its range, which is checked when its part is created."""

from collections.abc import Iterator, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from dala.errors import DalaError

__all__ = ["Config", "SettingsError", "option", "option_name"]


class SettingsError(DalaError):
    """A setting outside its range, or settings that contradict each other."""


def option(
    default: Any,
    text: str,
    choices: Sequence[str] | None = None,
    between: tuple[float, float] | None = None,
    name: str | None = None,
) -> Any:
    """A field with its help text, its allowed values, and its option's name where that is not the field's own."""
    return field(default=default, metadata={"help": text, "choices": choices, "between": between, "name": name})


def option_name(f: "Field[Any]") -> str:
    """The name of a field's option, unique among all parts: `probe_epochs` for `ProbeConfig.epochs`."""
    name: str = f.metadata["name"] or f.name
    return name


@dataclass(frozen=True)
class Config:
    """A part of the settings, checked when it is created.

    Raises:
        SettingsError: a number outside its range, or a broken rule of the part.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            value, between = getattr(self, f.name), f.metadata["between"]
            if between and not between[0] <= value <= between[1]:
                low, high = between
                raise SettingsError(f"`{option_name(f)}` must be between {low:g} and {high:g}, not {value:g}.")
        for kept, sentence in self._rules():
            if not kept:
                raise SettingsError(sentence)

    def _rules(self) -> Iterator[tuple[bool, str]]:
        yield from ()
