"""Write a data set of phantoms with its masks."""

import io
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
from dala.phantoms.phantom import LABELS, SIZE, Phantom, make

__all__ = ["ABOUT", "Recipe", "make_folder"]

ABOUT = "phantoms.json"


@dataclass(frozen=True)
class Recipe:
    """What a set of phantoms depends on.

    Attributes:
        count: of pictures, alternately benign and malignant.
        seed: of the first one; the next ones have the next seeds.
        size: width and height in pixels.
        decoy: one of `dala.phantoms.artifacts.DECOYS`, or none.
        decoy_class: which of `LABELS` has it.
        weak: labels are a slide's, not a patch's: every second malignant patch shows a benign lesion.
    """

    count: int
    seed: int = 0
    size: tuple[int, int] = SIZE
    decoy: str | None = None
    decoy_class: str = "malignant"
    weak: bool = False

    def make(self, index: int) -> Phantom:
        """The phantom number `index`, from 0."""
        label = LABELS[index % 2]
        decoy = self.decoy if label == self.decoy_class else None
        shown = label == "malignant" and not (self.weak and index % 4 == 3)
        return replace(make(self.seed + index, shown, self.size, decoy), label=label)

    def command(self) -> str:
        """What makes the set again."""
        text = f"python -m dala phantom --n {self.count} --seed {self.seed} --size {self.size[0]}x{self.size[1]}"
        text += f" --decoy {self.decoy} --decoy-class {self.decoy_class}" if self.decoy else ""
        return text + " --weak" * self.weak


def make_folder(out: Path, recipe: Recipe, workers: int = 0) -> None:
    """Write a labelled set of phantoms; it is there as a whole or not at all.

    Pictures go to out/<label>/phantom_NNNN.png, and out/phantoms.json tells what they are and how each was made. The
    masks (255 = there) lie beside the set, where no loader takes them for pictures: in <out>_masks,
    phantom_NNNN.png of the malignant focus, phantom_NNNN_benign.png of the benign lesion, phantom_NNNN_decoy.png.

    Args:
        out: a folder that is not there yet, or is empty.
        recipe: of the set.
        workers: processes that draw; the bytes are the same whatever their number.

    Raises:
        DataError: a folder that holds something.
        DiskError: a folder that cannot be written.
    """
    masks = out.with_name(out.name + "_masks")
    # The set comes last: where it lies, its masks do.
    parts = {masks: masks.with_name(masks.name + ".part"), out: out.with_name(out.name + ".part")}
    try:
        if (parts[out] / ABOUT).is_file():  # killed between the two: the masks are of a set that is not there
            shutil.rmtree(masks, ignore_errors=True)
        for folder in parts:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise DataError(f"{folder}: is there already and not empty; choose another folder.")
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
        made, stem = self.recipe.make(index), f"phantom_{index:04d}"
        files = {f"{made.label}/{stem}.png": _png(made.picture)}
        for suffix, mask in _masks(made):
            files[f"{stem}{suffix}.png"] = _png(Image.fromarray((255 * mask).astype(np.uint8)))
        row = {
            "file": next(iter(files)),
            "seed": self.recipe.seed + index,
            "nuclei": made.nuclei,
            "lesion_share": round(float(made.region.mean()), 4),
            "decoy_share": round(float(made.decoy.mean()), 4),
        }
        return files, row


def _masks(made: Phantom) -> Iterator[tuple[str, np.ndarray]]:
    yield "" if made.mask.any() else "_benign", made.region
    if made.decoy.any():
        yield "_decoy", made.decoy


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
