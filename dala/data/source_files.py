"""Source files: a set of labelled pictures described in JSON, so that it can be trained on together with others.

Of two laboratories' pictures neither the classes nor the scale agree by themselves, and a wrong scale or a patient on
both sides of a split goes unnoticed. A source file states both, and whose pictures they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Required, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from dala.data.items import DataError
from dala.data.layouts import FORMATS
from dala.files import MOST_BYTES
from dala.hub import typed_json

__all__ = ["HUB", "SUFFIX", "Patients", "Source", "SourceFile", "read"]

SUFFIX, HUB = ".json", "hub:"
HINT = "see the source files in weights/sources"
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Patients: TypeAlias = Literal["named", "unknown"]
SCALES = ("um_per_pixel", "zoom", "magnification")


@with_config(ConfigDict(extra="forbid"))
class SourceFile(TypedDict, total=False):
    """Keys of a source file.

    Attributes:
        title: display name, unique among the sets that are trained on together.
        folder: above the pictures, relative to `--root`, or "." for the folder of the source file; or `hub`, a data set
            of pictures on the Hub, "owner/name" or "owner/name@revision".
        format: layout of the folder, a name in `FORMATS`; default: a sub-folder for each class.
        classes: finest class -> name of the class, or null to leave it out; default: the layout's two classes.
        magnifications: those that are used, where the layout names them.
        weight: how often the set is drawn, against 1 for the first one; default: 1.
        um_per_pixel, zoom, magnification: the scale, exactly one of them: micrometres per pixel; the factor that
            resizes the pictures to the scale of the first set; or what the microscope states, such as "40X". A layout
            that names magnifications states the scale itself.
        laboratory: whose pictures they are. Sets of one laboratory may share patients, and are held out together.
        patients: "named" by the layout or by `groups.csv`, or "unknown": each picture counts as a patient of its own.
        patient_prefix: put before each patient's id, where two laboratories count their patients alike.
        at_most: most pictures of a patient and class, or of a folder where the patients are unknown; they are drawn at
            random, always the same ones.
        leave_out: patients that are never used.
        evaluation_only: refuse the set in training.
        licence, citation, note: for the report and the model card.
    """

    title: Required[Text]
    folder: Text
    hub: Text
    format: Text
    classes: Annotated[dict[Text, Text | None], Field(min_length=1)]
    magnifications: Annotated[list[Text], Field(min_length=1)]
    weight: Annotated[float, Field(gt=0, le=1000)]
    um_per_pixel: Annotated[float, Field(ge=0.001, le=1000)]
    zoom: Annotated[float, Field(ge=0.01, le=100)]
    magnification: Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?X$")]
    laboratory: Required[Text]
    patients: Required[Patients]
    patient_prefix: Text
    at_most: Annotated[int, Field(ge=1)]
    leave_out: list[Text]
    evaluation_only: bool
    licence: Required[Text]
    citation: Text
    note: Text


_FILE = TypeAdapter(SourceFile)


@dataclass(frozen=True)
class Source:
    """A set of labelled pictures that has not been read yet; see `SourceFile` for the attributes of the same name.

    Attributes:
        folder: above the pictures; None for a data set on the Hub.
        hub: "owner/name" or "owner/name@revision"; None for a folder.
        classes: a name in `datasets.CLASSES`, or a mapping of the finest classes.
        described: whether a source file describes it. If not, its terms are not known.
    """

    title: str
    laboratory: str
    folder: Path | None = None
    hub: str | None = None
    format: str = "folder"
    classes: str | Mapping[str, str | None] = "binary"
    magnifications: tuple[str, ...] = ()
    weight: float = 1.0
    um_per_pixel: float | None = None
    zoom: float | None = None
    magnification: str | None = None
    patients: Patients | None = None
    patient_prefix: str = ""
    at_most: int | None = None
    leave_out: tuple[str, ...] = ()
    evaluation_only: bool = False
    licence: str | None = None
    citation: str | None = None
    note: str | None = None
    described: bool = False

    @property
    def has_scale(self) -> bool:
        """Whether the scale of its pictures is stated, here or by the layout."""
        return any(getattr(self, name) is not None for name in SCALES) or bool(self.magnifications)


def read(file: Path, root: Path) -> Source:
    """Read a source file; the pictures themselves are not looked at.

    Args:
        file: UTF-8 JSON; see `SourceFile`.
        root: folder that the file's own `folder` is relative to.

    Raises:
        DataError: not a source file, an unknown key, or keys that contradict each other; one sentence.
    """
    value: SourceFile = typed_json.read(file, _FILE, MOST_BYTES, DataError, HINT)
    for broken, sentence in _rules(value):
        if broken:
            raise DataError(f"{file}: {sentence}")
    folder = root / value["folder"] if "folder" in value else None
    if value.get("folder") == ".":
        folder = file.parent
    return Source(
        title=value["title"],
        laboratory=value["laboratory"],
        folder=folder,
        hub=value.get("hub"),
        format=value.get("format", "folder"),
        classes=value.get("classes", "binary"),
        magnifications=tuple(value.get("magnifications", ())),
        weight=value.get("weight", 1.0),
        um_per_pixel=value.get("um_per_pixel"),
        zoom=value.get("zoom"),
        magnification=value.get("magnification"),
        patients=value["patients"],
        patient_prefix=value.get("patient_prefix", ""),
        at_most=value.get("at_most"),
        leave_out=tuple(value.get("leave_out", ())),
        evaluation_only=value.get("evaluation_only", False),
        licence=value["licence"],
        citation=value.get("citation"),
        note=value.get("note"),
        described=True,
    )


def _rules(value: SourceFile) -> list[tuple[bool, str]]:
    """Broken or not, and the sentence, of each rule about several keys."""
    scales = [name for name in SCALES if name in value]
    layout = value.get("format", "folder")
    multiple = layout == "breakhis"
    folder = PurePosixPath(value.get("folder", "."))
    return [
        (("folder" in value) == ("hub" in value), "name either a `folder` or a data set on the `hub`."),
        (
            folder.is_absolute() or Path(folder).is_absolute(),
            "`folder` must be relative, so that the file holds on every machine; give its parent as --root.",
        ),
        (layout not in FORMATS, f"there is no format named {layout!r}: use {', '.join(FORMATS)}."),
        ("hub" in value and layout != "folder", "a data set on the `hub` has no `format`; leave it out."),
        (len(scales) > 1, f"its scale is stated as {' and as '.join(scales)}: keep one."),
        (
            multiple != ("magnifications" in value),
            "list its `magnifications`, such as [\"100X\"]." if multiple else "only breakhis has `magnifications`.",
        ),
        (
            bool(scales) and len(value.get("magnifications", ())) > 1,
            f"one `{''.join(scales[:1])}` cannot hold for several magnifications: write a file for each.",
        ),
        (
            "classes" in value and not any(value["classes"].values()),
            "its `classes` leave every class out: name at least two.",
        ),
    ]  # fmt: skip
