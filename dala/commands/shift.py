"""`python -m dala shift`: fit the check of laboratories, and write it with its error rates beside the weights.

    python -m dala shift --model runs/dala --data BreaKHis_v1
    python -m dala shift --root DIR --data weights/sources/breakhis.json --data weights/sources/tissue_tiles.json \\
        --outside external/BRACS

The sets are those that the weights were trained on: pictures of one laboratory are fitted together, and a laboratory
with too few pictures is left out. Folders given with `--outside` are measured only, never fitted; a picture as large as
several patches is cut into patches, as on the page.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from dala import models
from dala.commands import refuse
from dala.data import datasets, sources
from dala.data.items import DataError
from dala.evaluation import laboratories
from dala.evaluation.laboratories import LEAST, Pictures
from dala.explain import shift
from dala.images import laboratory, preprocessing, reading, tiles

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m dala shift`."""
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--data", action="append", required=True, metavar="SET", help="a set in training, as for `train`; repeatable")
    add("--root", type=Path, default=Path(), metavar="FOLDER", help="folder that source files and --outside refer to")
    add("--format", default="breakhis", choices=list(datasets.FORMATS), help="layout of a folder (default: breakhis)")
    add("--magnification", default="100X", help="of BreakHis, several separated by commas (default: 100X)")
    add("--outside", action="append", default=[], metavar="FOLDER", help="pictures of another laboratory; repeatable")
    add("--model", metavar="FOLDER", help="folder of the weights; default: the shipped ones")


def run(args: argparse.Namespace) -> int:
    """Fit, measure and write; return the exit code.

    Pictures that cannot be used are named and left out, as in training.

    Raises:
        DataError, LaboratoryError: sets that cannot be used, or no laboratory with enough pictures.
    """
    origin = models.load(args.model)
    if origin.revision is not None:
        return refuse(f"{origin.source}: {shift.FILE} is written to the folder of the weights; download them first.")
    names = list(laboratory.statistics(Image.new("RGB", (1, 1))))
    broken: list[Path] = []
    groups = _known(args)
    outside = [(place.name, _inside(place)) for place in (args.root / name for name in args.outside)]
    known = [_described(title, files, patients, broken) for title, (files, patients) in groups.items()]
    patch = (origin.model.preprocessing.width, origin.model.preprocessing.height)
    others = [_described(title, files, None, broken, patch) for title, files in outside]
    fitted = laboratories.fit(names, known)
    rates = laboratories.measured(names, known, others)
    file = shift.write(origin.folder, fitted, rates, origin.sha256)
    for kind, title in (("own", "{}, held out"), ("left_out", "{}, left out"), ("outside", "{}, outside")):
        for row in rates[kind]:
            print(f"{title.format(row['title']):40} speaks on {row['spoken']} of {row['pictures']}")
    left = f", {len(broken)} pictures left out" if broken else ""
    print(f"{len(known)} laboratories{left} -> {file}")
    return 0


def _known(args: argparse.Namespace) -> dict[str, tuple[list[Path], list[str]]]:
    """Files and patients of each laboratory that has enough pictures, by title."""
    sets = sources.open_all(args.data, args.root, args.format, "binary", args.magnification.split(","))
    data = sources.read(sets)
    title = {source.title: source.laboratory for source in data.sources}
    groups: dict[str, tuple[list[Path], list[str]]] = {}
    for item in data.items:
        files, patients = groups.setdefault(title[item.source], ([], []))
        files.append(item.path)
        patients.append(item.patient)
    for name in [name for name, (files, _) in groups.items() if len(files) < LEAST]:
        refuse(f"{name}: left out, since {len(groups.pop(name)[0])} pictures do not describe a laboratory.")
    return groups


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir() or not (files := reading.pictures(folder)):
        raise DataError(f"{folder}: no such folder, or no pictures in it; --outside names a folder of pictures.")
    return list(files)


def _described(
    title: str,
    files: Sequence[Path],
    patients: Sequence[str] | None,
    broken: list[Path],
    patch: tuple[int, int] | None = None,
) -> Pictures:
    """Statistics of pictures: of `MOST` drawn from the patients, or of all and of the parts of large ones."""
    chosen = range(len(files)) if patients is None else laboratories.drawn(patients)
    rows, sides, groups = [], [], []
    for i in tqdm(chosen, unit="picture", desc=title, disable=None):
        try:
            whole = reading.read(files[i])
        except preprocessing.ImageError as error:
            broken.append(files[i])
            refuse(f"{files[i]}: {error}")
            continue
        for picture in _parts(whole, patch):
            rows.append(list(laboratory.statistics(picture).values()))
            sides.append(laboratory.side(picture.size))
            groups.append(patients[i] if patients else files[i].name)
    if not rows:
        raise DataError(f"{title}: none of its pictures can be used.")
    return Pictures(title, np.array(rows), np.array(sides), np.array(groups))


def _parts(picture: Image.Image, patch: tuple[int, int] | None) -> Iterator[Image.Image]:
    large = patch and picture.width * picture.height >= tiles.FROM * patch[0] * patch[1]
    boxes = tiles.boxes(picture, patch) if patch and large else ()
    yield from (picture.crop(box) for box in boxes) if boxes else (picture,)
