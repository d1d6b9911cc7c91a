"""Folder layouts of public data sets: what the path of a picture says about its class, patient and magnification.

To add a layout, write a function from relative path to `Labels` and enter it in `FORMATS`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from dala.data.items import BREAKHIS_NAME

__all__ = ["FORMATS", "Format", "Labels"]


@dataclass(frozen=True)
class Labels:
    """Labels in a path: the finest class; patient, slide and magnification where the layout names them."""

    kind: str
    patient: str | None = None
    slide: str | None = None
    magnification: str | None = None


@dataclass(frozen=True)
class Format:
    """A folder layout.

    Attributes:
        example: path of a picture, shown if a folder does not match.
        parse: path relative to the root -> its labels, or None if it does not follow the layout.
        classes: "binary" or "all" -> finest class -> name of the class, in the order of the class indices; empty if
            sub-folders are the classes.
        grouped: whether the layout names the patients.
        named: whether every picture has a name of its own, so that two files of one name show one picture.
    """

    example: str
    parse: Callable[[PurePath], Labels | None]
    classes: dict[str, dict[str, str]] = field(default_factory=dict)
    grouped: bool = True
    named: bool = False


TUMOURS = {
    "A": "adenosis", "F": "fibroadenoma", "PT": "phyllodes_tumor", "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma", "LC": "lobular_carcinoma", "MC": "mucinous_carcinoma", "PC": "papillary_carcinoma",
}  # fmt: skip
BENIGN_TUMOURS = ("A", "F", "PT", "TA")
BACH = ("Normal", "Benign", "InSitu", "Invasive")
MINI_DDSM = ("Normal", "Benign", "Cancer")
IDC = {"0": "no IDC", "1": "IDC"}
IDC_NAME = re.compile(r"(?P<patient>\d+)_idx\d+_x\d+_y\d+_class(?P<kind>[01])")
VIEW = re.compile(r".+\.(LEFT|RIGHT)_(CC|MLO)", re.IGNORECASE)


def _breakhis(path: PurePath) -> Labels | None:
    name = BREAKHIS_NAME.fullmatch(path.stem)
    if not name or name["type"] not in TUMOURS or (name["label"] == "B") != (name["type"] in BENIGN_TUMOURS):
        return None
    return Labels(name["type"], name["patient"], name["slide"], f"{name['zoom']}X")


def _bach(path: PurePath) -> Labels | None:
    kind = _class_of(path.parent.name, BACH)
    return Labels(kind) if kind else None


def _mini_ddsm(path: PurePath) -> Labels | None:
    kind = _class_of(path.parent.parent.name, MINI_DDSM)
    if not kind or not VIEW.fullmatch(path.stem):
        return None
    # A case number is unique only within its class: Benign/0029 and Cancer/0029 are two patients.
    case = f"{kind}/{path.parent.name}"
    return Labels(kind, case, case)


def _idc(path: PurePath) -> Labels | None:
    name = IDC_NAME.fullmatch(path.stem)
    return Labels(name["kind"], name["patient"], name["patient"]) if name else None


def _folder(path: PurePath) -> Labels | None:
    return Labels(path.parts[0]) if len(path.parts) > 1 else None


def _class_of(folder: str, kinds: Sequence[str]) -> str | None:
    return next((k for k in kinds if k.lower() == re.sub(r"[ _-]", "", folder).lower()), None)


FORMATS: dict[str, Format] = {
    "breakhis": Format(
        "benign/SOB/adenosis/SOB_B_A_14-22549AB/100X/SOB_B_A-14-22549AB-100-001.png",
        _breakhis,
        {"binary": {t: "benign" if t in BENIGN_TUMOURS else "malignant" for t in TUMOURS}, "all": TUMOURS},
        named=True,
    ),
    "bach": Format(
        "Photos/Benign/b001.tif",
        _bach,
        {
            "binary": dict(zip(BACH, ["non-carcinoma"] * 2 + ["carcinoma"] * 2, strict=True)),
            "all": {k: k for k in BACH},
        },
        grouped=False,
    ),
    "mini_ddsm": Format(
        "Benign/0029/C_0029_1.LEFT_CC.jpg",
        _mini_ddsm,
        {
            "binary": dict(zip(MINI_DDSM, ["no cancer", "no cancer", "cancer"], strict=True)),
            "all": {k: k for k in MINI_DDSM},
        },
        named=True,
    ),
    "idc": Format("8863/0/8863_idx5_x1001_y801_class0.png", _idc, {"binary": IDC, "all": IDC}, named=True),
    "folder": Format("benign/one.png", _folder, grouped=False),
}
