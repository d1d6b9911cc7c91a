"""Synthetic breast tissue in haematoxylin and eosin (H&E), with the evidence known to the pixel.

A phantom is built the way a stained slide is: two maps say how much haematoxylin and how much eosin each place
holds, and light passing through them gives the colour (Beer-Lambert law). Every patch holds one lesion; a
malignant-like focus in one class, an orderly proliferation in the other. Everything around it is drawn without
knowing the class, and both lesions hold the same number of nuclei and the same stain (`dala.lesion`): the focus is
the evidence, and nothing else is. Its mask is the truth against which an explanation of a classifier can be judged.

The pictures imitate the look of a 100X micrograph. They are a teaching aid and carry no diagnostic meaning.
All lengths below are pixels; stain amounts are optical densities (natural logarithm, 0 = clear glass).
"""

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

from dala import anatomy, lesion
from dala import decoy as decoys
from dala.data import DataError
from dala.disk import DiskError, refused
from dala.slide import Slide

__all__ = ["ABOUT", "LABELS", "SIZE", "Phantom", "Recipe", "make", "make_folder"]

ABOUT = "phantoms.json"

LABELS = ("benign", "malignant")
SIZE = (700, 460)
# Streams of draws: tissue, dye and camera are the same for both classes of a seed, with and without a decoy.
TISSUE, LESION, DECOY, CAMERA = range(4)


@dataclass(frozen=True)
class Phantom:
    """One synthetic patch.

    Attributes:
        picture: RGB, 8 bits.
        mask: bool (height, width), true on the malignant focus; nowhere where there is none.
        label: one of `LABELS`; of the lesion, or of the slide where labels are weak.
        region: bool (height, width), true on the lesion, malignant or benign.
        decoy: bool (height, width), true on the decoy; nowhere without one.
        nuclei: how many there are.
    """

    picture: Image.Image
    mask: np.ndarray
    label: str
    region: np.ndarray
    decoy: np.ndarray
    nuclei: int


def make(seed: int, malignant: bool = True, size: tuple[int, int] = SIZE, decoy: str | None = None) -> Phantom:
    """Draw the phantom of `seed`: a picture of `size` (width, height) pixels, and the masks of what was planted.

    The lesion covers 15 to 25 % of the area. Nuclei and ducts keep their size in pixels whatever `size` is, as they
    would under one objective. The two classes of a seed differ in the lesion only, and a decoy changes nothing but
    the place where it lies. The same arguments give the same bytes.

    Args:
        seed: of every draw, 0 or more.
        malignant: which lesion.
        size: width and height in pixels.
        decoy: one of `dala.decoy.DECOYS`, planted beside the lesion; or none.
    """
    s = Slide(seed, size)
    s.draw_from(TISSUE)
    spot = anatomy.spot(s)
    anatomy.background(s, spot)
    dye = np.clip(s.rng.normal(1, (0.1, 0.14)), 0.7, 1.3)
    s.draw_from(LESION)
    both = lesion.twins(s, spot)
    slide, region = both[malignant]
    slide.h *= np.float32(dye[0])
    slide.e *= np.float32(dye[1])
    planted = np.zeros_like(region)
    if decoy is not None:
        slide.draw_from(DECOY)
        planted = decoys.plant(slide, decoy, both[0][1] | both[1][1])
    slide.draw_from(CAMERA)
    mask = region if malignant else np.zeros_like(region)
    return Phantom(slide.photograph(), mask, LABELS[malignant], region, planted, len(slide.centres))


@dataclass(frozen=True)
class Recipe:
    """What a set of phantoms depends on.

    Attributes:
        count: of pictures, alternately benign and malignant.
        seed: of the first one; the next ones have the next seeds.
        size: width and height in pixels.
        decoy: one of `dala.decoy.DECOYS`, or none.
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
        "what": "Synthetic H&E-like patches with planted lesions, drawn by dala.phantom. No tissue, not for diagnosis.",
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
