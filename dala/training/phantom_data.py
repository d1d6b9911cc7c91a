"""Training on generated data: for the setting `data` = `phantom` or `phantom:<decoy>`, a run draws its own patches."""

import os
from pathlib import Path

from dala.models import pretrained, serialization
from dala.phantoms import dataset
from dala.phantoms.artifacts import DECOYS
from dala.training.config import Settings
from dala.training.config_parts import DataConfig, SettingsError

__all__ = ["COUNT", "NAME", "draw", "is_requested", "name", "resolve"]

COUNT, NAME = 120, "phantoms"


def is_requested(data: DataConfig) -> bool:
    """Whether the data are `phantom` or `phantom:<decoy>`, and no folder of that name exists."""
    return len(data.data) == 1 and _parts(data)[0] == "phantom" and not Path(data.data[0]).exists()


def resolve(settings: Settings) -> Settings:
    """Settings for patches in the run's folder, initialized from the shipped weights unless `init` is set.

    Height and width are halved, so that a run takes minutes on a laptop.

    Raises:
        SettingsError: no such decoy.
    """
    decoy, features = _parts(settings.data)[1], settings.features
    if decoy and decoy not in DECOYS:
        raise SettingsError(f"There is no decoy {decoy!r}: choose one of {', '.join(DECOYS)}.")
    height, width = features.height // 2, features.width // 2
    return settings.with_options(
        data=settings.runtime.out / (f"{NAME}-{decoy}" if decoy else NAME),
        format="folder",
        init=features.init or str(pretrained.SHIPPED / serialization.FILE),
        height=height,
        width=width,
        crop=min(features.crop or 448, height, width),
    )


def draw(settings: Settings) -> None:
    """Draw the patches of resolved settings, unless their folder exists.

    With a decoy the labels are weak, as where a patch carries its slide's label: the tissue shows the class in half of
    the malignant patches, the decoy in all of them. If every patch had a focus, the decoy would be redundant evidence.

    Raises:
        DiskError: no room on the disk.
    """
    root, features = Path(settings.data.data[0]), settings.features
    if not root.exists():
        decoy = root.name[len(NAME) + 1 :] or None
        recipe = dataset.Recipe(COUNT, size=(features.width, features.height), decoy=decoy, weak=bool(decoy))
        dataset.make_folder(root, recipe, os.cpu_count() or 1)


def name(settings: Settings) -> str | None:
    """Name of the data in a report: `phantoms` or `phantoms-<decoy>`; None if they were not drawn for the run."""
    root = Path(settings.data.data[0])
    return root.name if root.parent == settings.runtime.out and root.name.startswith(NAME) else None


def _parts(data: DataConfig) -> tuple[str, str]:
    kind, _, decoy = data.data[0].partition(":")
    return kind, decoy
