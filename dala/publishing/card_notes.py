"""Notes for a model card that are not in a report: `card.json`, next to the weights.

Every entry is optional:

    {"names": {"100X-alone": "DALAResNet50, trained on 100X alone"},   display names of runs
     "starts": {"3a5d…": "ImageNet-1k weights of …"},                 initial weights by SHA-256, as sentences
     "data": "The subset was re-encoded as JPEG (quality 90)."}        how the pictures were prepared
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from dala.errors import DalaError
from dala.files import read_json

__all__ = ["FILE", "MOST_BYTES", "CardNotes", "CardNotesError", "read"]

FILE = "card.json"
MOST_BYTES = 100_000
Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n]+$", max_length=500)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class CardNotesError(DalaError):
    """A `card.json` that cannot be used; the message says why."""


class CardNotes(BaseModel):
    """The entries of `card.json`.

    Attributes:
        names: display name by title of a run.
        starts: one or more sentences about initial weights, by the SHA-256 of their file.
        data: one or more sentences about the training pictures.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    names: dict[Line, Line] = {}
    starts: dict[Digest, Line] = {}
    data: Line | None = None


def read(file: Path) -> CardNotes:
    """Read a `card.json`; no notes where there is no such file.

    Raises:
        CardNotesError: not JSON, larger than `MOST_BYTES`, or other entries than those of `CardNotes`.
    """
    if not file.exists():
        return CardNotes()
    try:
        return CardNotes.model_validate(read_json(file, MOST_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:100] or "the file"
        place = place if place.isprintable() else repr(place)
        raise CardNotesError(
            f"{file}: {place}: {first['msg']}; allowed are names, starts and data, as text."
        ) from error
    except (OSError, ValueError) as error:
        raise CardNotesError(f"{file}: cannot be read as JSON ({error}); correct or remove it.") from error
