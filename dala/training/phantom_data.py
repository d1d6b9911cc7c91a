"""What `--data phantom` of the training script stands for: patches drawn for the run, and settings for minutes."""

import os
from dataclasses import replace
from pathlib import Path

from dala.models import pretrained, serialization
from dala.phantoms import dataset
from dala.phantoms.artifacts import DECOYS
from dala.training.config import Settings, SettingsError

__all__ = ["COUNT", "NAME", "asked", "draw", "named", "settle"]

COUNT, NAME = 120, "phantoms"


def asked(settings: Settings) -> bool:
    """Is it `phantom` or `phantom:<decoy>`, and no folder of that name?"""
    return _parts(settings.data)[0] == "phantom" and not settings.data.exists()


def settle(settings: Settings) -> Settings:
    """The same for the patches that will lie in the run's folder, and the shipped weights as a start.

    A quarter of the area, so that everybody can try the script in minutes.

    Raises:
        SettingsError: no such decoy.
    """
    decoy = _parts(settings.data)[1]
    if decoy and decoy not in DECOYS:
        raise SettingsError(f"There is no decoy {decoy!r}: choose one of {', '.join(DECOYS)}.")
    height, width = settings.height // 2, settings.width // 2
    init = settings.init or str(pretrained.SHIPPED / serialization.FILE)
    crop = min(settings.crop or 448, height, width)
    root = settings.out / (f"{NAME}-{decoy}" if decoy else NAME)
    return replace(settings, data=root, format="folder", init=init, height=height, width=width, crop=crop)


def draw(settings: Settings) -> None:
    """Draw the patches of settled settings, unless they are there.

    With a decoy the labels are weak, as where a patch has its slide's label: the tissue tells half of the malignant
    ones, the decoy all of them. Beside a focus in every patch it would be evidence that nobody needs.

    Raises:
        DiskError: no room on the disk.
    """
    if not settings.data.exists():
        decoy = settings.data.name[len(NAME) + 1 :] or None
        recipe = dataset.Recipe(COUNT, size=(settings.width, settings.height), decoy=decoy, weak=bool(decoy))
        dataset.make_folder(settings.data, recipe, os.cpu_count() or 1)


def named(settings: Settings) -> str | None:
    """What a report calls the data, `phantoms` or `phantoms-<decoy>`; None if they were not drawn for the run."""
    own = settings.data.parent == settings.out and settings.data.name.startswith(NAME)
    return settings.data.name if own else None


def _parts(data: Path) -> tuple[str, str]:
    kind, _, decoy = str(data).partition(":")
    return kind, decoy
