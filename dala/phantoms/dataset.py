"""Write a data set of phantoms with its masks."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dala.data.items import DataError
from dala.files import DiskError, refused
from dala.images.encoding import encode
from dala.phantoms.phantom import LABELS, SIZE, Phantom, make

__all__ = ["ABOUT", "Recipe", "make_folder"]

ABOUT = "phantoms.json"


@dataclass(frozen=True)
class Recipe:
    """Parameters of a set of phantoms.

    Attributes:
        count: number of pictures, alternately benign and malignant.
        seed: of the first picture; the others have the following seeds.
        size: width and height in pixels.
        decoy: one of `dala.phantoms.artifacts.DECOYS`, or none.
        decoy_class: the class, of `LABELS`, that has the decoy.
        weak: labels are of slides, not of patches: every second malignant patch shows a benign lesion.
    """

    count: int
    seed: int = 0
    size: tuple[int, int] = SIZE
    decoy: str | None = None
    decoy_class: str = "malignant"
    weak: bool = False

    def make(self, index: int) -> Phantom:
        """Draw the phantom with an index from 0."""
        label = LABELS[index % 2]
        decoy = self.decoy if label == self.decoy_class else None
        shown = label == "malignant" and not (self.weak and index % 4 == 3)
        return replace(make(self.seed + index, shown, self.size, decoy), label=label)

    def command(self) -> str:
        """Return the command that draws the set again."""
        text = f"python -m dala phantom --n {self.count} --seed {self.seed} --size {self.size[0]}x{self.size[1]}"
        text += f" --decoy {self.decoy} --decoy-class {self.decoy_class}" if self.decoy else ""
        return text + " --weak" * self.weak


def make_folder(out: Path, recipe: Recipe, workers: int = 0) -> None:
    """Write a labelled set of phantoms, completely or not at all.

    Pictures are written to out/<label>/phantom_NNNN.png, and their parameters to out/phantoms.json. The masks (0 or
    255) are written to another folder, <out>_masks, so that no loader reads them as pictures: phantom_NNNN.png of the
    malignant focus, phantom_NNNN_benign.png of the benign lesion, phantom_NNNN_decoy.png of the decoy.

    Args:
        out: a folder that does not exist or is empty.
        recipe: parameters of the set.
        workers: processes that draw; the bytes do not depend on their number.

    Raises:
        DataError: the folder is not empty.
        DiskError: the folder cannot be written.
    """
    masks = out.with_name(out.name + "_masks")
    # The set is put in place last: if it exists, so do its masks.
    parts = {masks: masks.with_name(masks.name + ".part"), out: out.with_name(out.name + ".part")}
    try:
        if (parts[out] / ABOUT).is_file():  # killed between the two: masks without their set
            shutil.rmtree(masks, ignore_errors=True)
        for folder in parts:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise DataError(f"{folder}: exists and is not empty; choose another folder.")
        for part in parts.values():
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        _write(parts[out], parts[masks], recipe, workers)
        for folder, part in parts.items():
            if folder.exists():
                folder.rmdir()
            part.replace(folder)
    except OSError as error:
        raise DiskError(refused(error, out)) from error
    finally:
        for part in parts.values():
            shutil.rmtree(part, ignore_errors=True)


def _write(out: Path, masks: Path, recipe: Recipe, workers: int) -> None:
    rows = []
    for label in LABELS:
        (out / label).mkdir()
    loader = DataLoader(_Encoded(recipe), batch_size=None, num_workers=min(workers, recipe.count))
    for files, row in tqdm(loader, "phantoms", unit="picture", disable=None):
        rows.append(row)
        for name, content in files.items():
            ((masks if "/" not in name else out) / name).write_bytes(content)
    about = {
        "what": "Synthetic H&E-like patches with planted lesions, drawn by DALA. No tissue, not for diagnosis.",
        "licence": "CC0-1.0",
        "command": recipe.command(),
        "pictures": rows,
    }
    (out / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


class _Encoded(Dataset[tuple[dict[str, bytes], dict[str, Any]]]):
    """The files of each phantom of a set, by name, and its row of `phantoms.json`."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def __len__(self) -> int:
        return self.recipe.count

    def __getitem__(self, index: int) -> tuple[dict[str, bytes], dict[str, Any]]:
        phantom, stem = self.recipe.make(index), f"phantom_{index:04d}"
        files = {f"{phantom.label}/{stem}.png": encode(phantom.picture)}
        for suffix, mask in _masks(phantom):
            files[f"{stem}{suffix}.png"] = encode(Image.fromarray((255 * mask).astype(np.uint8)))
        row = {
            "file": next(iter(files)),
            "seed": self.recipe.seed + index,
            "nuclei": phantom.nuclei,
            "lesion_share": round(float(phantom.region.mean()), 4),
            "decoy_share": round(float(phantom.decoy.mean()), 4),
        }
        return files, row


def _masks(phantom: Phantom) -> Iterator[tuple[str, np.ndarray]]:
    yield "" if phantom.mask.any() else "_benign", phantom.region
    if phantom.decoy.any():
        yield "_decoy", phantom.decoy
