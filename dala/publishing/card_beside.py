"""What lies beside a report and goes into its card: the table of laboratories, and how often the shift check speaks."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from dala.errors import DalaError
from dala.files import MOST_BYTES
from dala.hub import laboratories, typed_json
from dala.hub.laboratories import Laboratories
from dala.hub.layout import LABORATORIES

__all__ = ["Beside", "BesideError", "Rate", "Rates", "read"]

SHIFT = "shift.json"


class BesideError(DalaError):
    """A file beside a report that is damaged, or of other weights."""


class Rate(TypedDict):
    """How often the shift check speaks: of `pictures`, on `spoken`."""

    title: str
    pictures: int
    spoken: int


class Rates(TypedDict):
    """Its rates on the laboratories in training, on each of them left out of its fit, and on others."""

    own: list[Rate]
    left_out: list[Rate]
    outside: list[Rate]


class _ShiftFile(TypedDict):
    sha256: str
    measured: Rates


@dataclass(frozen=True)
class Beside:
    """The files beside a report, as far as there are any."""

    laboratories: Laboratories | None = None
    shift: Rates | None = None


_SHIFT = TypeAdapter(_ShiftFile)


def read(folder: Path, sha256: str | None) -> Beside:
    """Read the files in the folder of a report.

    Args:
        folder: of the report.
        sha256: of the weights that the report is of.

    Raises:
        LaboratoriesFileError, BesideError: a file that is damaged, or of other weights.
    """
    table, file = None, folder / LABORATORIES
    if file.is_file():
        table = laboratories.read(file)
        first = next(iter(table["recipes"].values()), None)
        if first and first.get("sha256") != sha256:
            raise BesideError(f"{file}: its first recipe has other weights; run `dala evaluate laboratories` again.")
    rates, file = None, folder / SHIFT
    if file.is_file():
        content = typed_json.read(file, _SHIFT, MOST_BYTES, BesideError, "write it again with `dala shift`")
        if content["sha256"] != sha256:
            raise BesideError(f"{file}: was fitted for other weights; run `dala shift` again.")
        rates = content["measured"]
    return Beside(table, rates)
