"""Types of `tissue_maps.json`, which says where on real tissue the maps lie, and its reader."""

from pathlib import Path
from typing import Annotated, Final, NotRequired, TypeAlias

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from dala.errors import DalaError
from dala.hub import typed_json
from dala.hub.study import Explained, MeanInterval

__all__ = [
    "AUC", "CEILING", "STAIN", "STAIN_ON_GRID", "TUMOUR", "Blind", "MapRow", "Range", "TissueMaps", "TissueMapsError",
    "TissueSet", "read",
]  # fmt: skip

MOST_BYTES = 2_000_000
# Keys of the file: a measure, the region that is not found from pixels, and maps made from picture or region alone.
AUC: Final = "auc"
TUMOUR = "tumour"
STAIN, STAIN_ON_GRID, CEILING = "stain", "stain_on_grid", "ceiling"
HINT = "use a file as `dala evaluate tissue` writes it"

Range: TypeAlias = Annotated[list[float], Field(min_length=2, max_length=2)]


class TissueMapsError(DalaError):
    """A `tissue_maps.json` that cannot be used; the message says what is wrong and what to do."""


class MapRow(TypedDict):
    """Where the maps of one method lie; see `dala.benchmark.tissue_maps`.

    Attributes:
        count: pictures whose map is not zero everywhere.
        auc: AUC of pixels, tumour against the rest; missing without masks of tumour.
        energy: by region, the share of the map's sum inside divided by the region's share of the area; 1 is blind.
    """

    count: int
    auc: NotRequired[MeanInterval]
    energy: dict[str, MeanInterval]


class Blind(TypedDict):
    """95 % ranges of the means of the first method's own maps, moved and mirrored at random."""

    auc: NotRequired[Range]
    energy: dict[str, Range]


class TissueSet(TypedDict):
    """Results on one set of pictures.

    Attributes:
        title: of the set.
        words: how its pictures were taken.
        count, groups: numbers of pictures and of groups (patients, or fields).
        called: pictures that the network calls malignant.
        areas: by region, its mean share of the area, over the pictures that are measured.
        marked: by region, pictures that are measured, since they have enough inside and outside it.
        rows: for the class malignant, by method, and of the controls by their names.
        predicted: of the first method, for the predicted class.
    """

    title: str
    words: str
    model: Explained
    count: int
    groups: int
    called: int
    areas: dict[str, float]
    marked: dict[str, int]
    rows: dict[str, MapRow]
    predicted: MapRow
    blind: Blind


class TissueMaps(TypedDict):
    """`tissue_maps.json`: results by kind of set, one of `dala.benchmark.tissue_sets.KINDS`."""

    command: str
    first: str
    sets: dict[str, TissueSet]
    seconds: int


_MAPS = TypeAdapter(TissueMaps)


def read(file: Path, most: int = MOST_BYTES) -> TissueMaps:
    """Read a `tissue_maps.json` and check the type of every value that is named in `TissueMaps`.

    Args:
        file: UTF-8.
        most: largest accepted size in bytes.

    Raises:
        TissueMapsError: a file that cannot be read, is no JSON object, or has a missing value or one of a wrong type.
    """
    return typed_json.read(file, _MAPS, most, TissueMapsError, HINT)
