"""Explain a folder of images: decoded by worker processes, resumable, and divided over machines."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dala.data import items
from dala.explain import export, recentring
from dala.explain.explainer import Explainer, Question
from dala.explain.recentring import LEAST, RecentringError
from dala.files import readable, write, write_all
from dala.heatmaps.thresholds import DEFAULT_RULE
from dala.hub.layout import SHIFT
from dala.images import preprocessing, reading

__all__ = ["Job", "explain_folder", "shifted"]

FINISHED = "explanation.json"  # written last: an image is finished if it exists


@dataclass(frozen=True)
class Job:
    """What to do with every image of a folder.

    Attributes:
        root, out: images in or below a folder; results in `out/<path below root>/`, and `out/summary.csv`. Files in
            `out` are never read as images.
        question: the same for all images; its target must be plain JSON.
        rule, strength: of `dala.heatmaps.thresholds.apply`.
        overwrite: explain finished images again. An image is explained again in any case if the settings, the weights
            or the file have changed.
        recentre: add probabilities whose offset is taken from the images' own mean; see `dala.explain.recentring`.
        workers: processes that decode while the network runs.
        rank, world: this process explains every `world`-th image, from the `rank`-th on, as torchrun numbers them.
        chunk: images in one forward pass.
    """

    root: Path
    out: Path
    question: Question = field(default_factory=Question)
    rule: str = DEFAULT_RULE
    strength: float | None = None
    overwrite: bool = False
    recentre: bool = False
    workers: int = 1
    rank: int = 0
    world: int = 1
    chunk: int = 8


class _Decoded(Dataset[Image.Image | str]):
    """RGB images; for a file that cannot be used, the error as text."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Image.Image | str:
        try:
            return reading.read(self.files[index])
        except preprocessing.ImageError as error:
            return str(error)


def explain_folder(explainer: Explainer, job: Job) -> dict[str, str]:
    """Explain the images that are not finished, and skip broken files. The summary is written in any case.

    Returns:
        the errors of broken files, by path below the folder.

    Raises:
        DataError: no images in or below the folder, or `out` contains the folder.
        RecentringError: images that cannot be re-centred; see `_check_recentring`.
        DiskError: no space, or no permission; images that were finished stay so.
    """
    if job.root.resolve().is_relative_to(job.out.resolve()):
        raise items.DataError(f"{job.out}: holds the pictures themselves; choose another folder for the results.")
    files = _files(job)
    if not files:
        raise items.DataError(f"{job.root}: holds no pictures.")
    if job.recentre:
        _check_recentring(explainer, job, len(files))
    mine = files[job.rank :: job.world]
    todo = [f for f in mine if job.overwrite or _result(job, f).get("asked") != _settings(explainer, job, f)]
    errors: dict[str, str] = {}
    try:
        _explain_files(explainer, job, todo, errors)
        _recentre(explainer, job, mine)
    finally:
        _summarise(job, mine, errors)
    return errors


def shifted(job: Job) -> int:
    """Number of finished images that are from a laboratory unlike those in training."""
    return sum(bool(_result(job, file).get("shift")) for file in _files(job))


def _files(job: Job) -> list[Path]:
    out = job.out.resolve()
    return [f for f in reading.pictures(job.root) if not f.resolve().is_relative_to(out)]


def _check_recentring(explainer: Explainer, job: Job, count: int) -> None:
    """Refuse, before anything runs, what cannot be re-centred."""
    if explainer.laboratories is None:
        raise RecentringError(
            f"These weights come without {SHIFT}, so nothing says that a picture needs re-centring: write it with "
            "`python -m dala shift`."
        )
    if job.world > 1:
        raise RecentringError("An offset needs all pictures: re-centre in one process, once all are explained.")
    if count < LEAST:
        raise RecentringError(f"{job.root}: holds {count} pictures, and an offset needs {LEAST} of one laboratory.")


def _recentre(explainer: Explainer, job: Job, files: Sequence[Path]) -> None:
    """Write the re-centred probabilities of images of tissue to their results, or remove earlier ones."""
    results = {file: result for file in files if (result := _result(job, file))}
    tissue = [file for file, result in results.items() if not result.get("warning")]
    temperature = getattr(explainer.model, "temperature", 1.0)
    added = recentring.entries([results[f] for f in tissue], temperature) if job.recentre else []
    by_file = dict(zip(tissue, added, strict=True)) if job.recentre else {}
    for file, result in results.items():
        if result.get("recentred") != by_file.get(file):
            result = {**result, "recentred": by_file.get(file)}
            write(_place(job, file) / FINISHED, json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def _explain_files(explainer: Explainer, job: Job, todo: Sequence[Path], errors: dict[str, str]) -> None:
    loader = DataLoader(_Decoded(todo), batch_size=None, num_workers=min(job.workers, len(todo)))
    waiting: list[tuple[Path, Image.Image]] = []
    with tqdm(total=len(todo), unit="image", disable=None) as bar:
        for file, picture in zip(todo, loader, strict=True):
            if isinstance(picture, str):
                errors[str(file.relative_to(job.root))] = picture
                bar.update()
            else:
                waiting.append((file, picture))
            if len(waiting) == job.chunk:
                bar.update(_finish(explainer, job, waiting))
        bar.update(_finish(explainer, job, waiting))


def _finish(explainer: Explainer, job: Job, waiting: list[tuple[Path, Image.Image]]) -> int:
    """Explain and write the waiting images; empty the list, and return how many there were."""
    explanations = explainer.explain_batch([picture for _, picture in waiting], job.question, chunk=job.chunk)
    for (file, _), explanation in zip(waiting, explanations, strict=True):
        if explanation.warning:
            tqdm.write(f"{file}: {explanation.warning}", file=sys.stderr)
        more = {"asked": _settings(explainer, job, file)}
        contents = export.files(explanation, explainer, job.rule, job.strength, more=more)
        # `FINISHED` is removed first and written last: if the process is killed in between, the image is not finished.
        write_all(_place(job, file), contents, alone=True)
    done = len(waiting)
    waiting.clear()
    return done


def _settings(explainer: Explainer, job: Job, file: Path) -> dict[str, Any]:
    """Everything that a result depends on, as JSON returns it."""
    about, known = file.stat(), explainer.laboratories
    settings = {
        "explain": job.question.to_json(),
        "rule": job.rule,
        "strength": job.strength,
        "weights": explainer.origin.sha256 if explainer.origin else None,
        "laboratories": [[s.title, s.threshold] for s in known.sources] if known else None,
        "bytes": about.st_size,
        "changed": about.st_mtime_ns,
    }
    return json.loads(json.dumps(settings))


def _result(job: Job, file: Path) -> dict[str, Any]:
    """The numbers of a finished image; empty if it is not finished."""
    finished = _place(job, file) / FINISHED
    try:
        result = json.loads(finished.read_text(encoding="utf-8")) if finished.is_file() else {}
    except ValueError:  # damaged after it was written: not finished
        return {}
    return result if isinstance(result, dict) and "asked" in result else {}


def _place(job: Job, file: Path) -> Path:
    return job.out / file.relative_to(job.root)


def _summarise(job: Job, files: Sequence[Path], errors: dict[str, str]) -> None:
    """Write one row for each image, finished now or earlier, in the order of the files.

    A name that is not valid UTF-8 is escaped.
    """
    rows = []
    for file in files:
        name = str(file.relative_to(job.root))
        row: dict[str, Any] = {"image": readable(name), "error": errors.get(name, "")}
        result = {} if row["error"] else _result(job, file)
        if result:
            row |= {key: result[key] for key in ("target", "layer", "evidence", "rule", "strength")}
            row |= {"warning": result.get("warning") or "", "shift": result.get("shift") or ""}
            row["shift distance"] = result.get("shift_distance")
            row |= {f"probability {c}": p for c, p in result["probabilities"].items()}
            if again := result.get("recentred"):
                row |= {f"recentred probability {c}": p for c, p in again["probabilities"].items()}
                row["recentring"] = again["assumption"]
            for key in ("tau", "kept_area", "raw_max"):
                row |= {f"{key} {method}": value for method, value in result[key].items()}
        rows.append(row)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    job.out.mkdir(parents=True, exist_ok=True)
    name = "summary.csv" if job.world == 1 else f"summary-{job.rank}.csv"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write(job.out / name, text.getvalue())
