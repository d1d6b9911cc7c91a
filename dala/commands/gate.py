"""`python -m dala gate`: write the attention's average gate to the folder of the weights."""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from dala.commands import refuse
from dala.data.items import BREAKHIS_NAME, DataError
from dala.explain import gate
from dala.explain.explainer import Explainer
from dala.images import preprocessing, reading
from dala.images.reading import pictures

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m dala gate`."""
    parser.description = 'Measure the average gate over pictures; the tab "Step by step" compares a patch with it.'
    parser.add_argument("--data", type=Path, required=True, help="folder with pictures in or below it")
    parser.add_argument("--model", metavar="FOLDER", help="folder of the weights; default: the shipped ones")
    parser.add_argument("--device", help="cpu, cuda, mps; default: the best available")


def run(args: argparse.Namespace) -> int:
    """Measure and write; return the exit code, 2 if a picture could not be used.

    Raises:
        DataError: no pictures of the magnification that the weights expect.
        GateError: a network without a gate.
    """
    if not args.data.is_dir():
        return refuse(f"{args.data}: no such folder; name a folder of pictures.")
    explainer = Explainer.load(args.model, args.device)
    origin = explainer.origin
    assert origin is not None  # noqa: S101  it was loaded  # nosec B101
    if origin.revision is not None:
        return refuse(f"{origin.source}: {gate.FILE} is written to the folder of the weights; download them first.")
    files = _at(explainer.preprocessing.magnification, pictures(args.data))
    if not files:
        raise DataError(f"{args.data}: no pictures of the magnification that the weights expect.")
    broken: list[str] = []
    average = gate.measure(explainer, _decoded(files, broken), args.data.resolve().name)
    file = gate.write(average, origin.folder, origin.sha256)
    print(f"{average.pictures} pictures of {args.data} -> {file}")
    return 2 if broken else 0


def _at(magnification: str | None, files: Sequence[Path]) -> list[Path]:
    """Leave out pictures whose BreakHis name states another magnification than, for example, "100X"."""
    wanted = re.findall(r"(\d+)X", magnification or "")
    named = {file: BREAKHIS_NAME.fullmatch(file.stem) for file in files}
    return [file for file, name in named.items() if not wanted or not name or name["zoom"] in wanted]


def _decoded(files: Sequence[Path], broken: list[str]) -> Iterator[Image.Image]:
    for file in tqdm(files, unit="picture", disable=None):
        try:
            yield reading.read(file)
        except preprocessing.ImageError as error:
            broken.append(str(file))
            refuse(f"{file}: {error}")
