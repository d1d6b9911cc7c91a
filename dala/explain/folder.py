"""A folder of pictures explained: decoded beside the network, resumable, shared out over machines."""

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
from dala.explain import export
from dala.explain.explainer import Explainer
from dala.files import readable, write, write_all
from dala.heatmaps.thresholds import DEFAULT_RULE
from dala.images import preprocessing, reading

__all__ = ["Job", "explain_folder"]

MARK = "explanation.json"  # written last: where it lies, the picture is finished


@dataclass(frozen=True)
class Job:
    """What is done with every picture.

    Attributes:
        root, out: pictures in or below a folder; results in `out/<path below root>/`, and `out/summary.csv`. What lies
            in `out` is never taken for a picture.
        explain: keyword arguments of `Explainer.explain_batch`, plain JSON.
        rule, strength: of `dala.heatmaps.thresholds.apply`.
        overwrite: do finished pictures again; those finished under other settings, by another network or of another
            file are done again in any case.
        workers: processes that decode while the network runs.
        rank, world: this machine does every `world`-th picture, from the `rank`-th on, as torchrun numbers them.
        chunk: pictures in one forward pass.
    """

    root: Path
    out: Path
    explain: dict[str, Any] = field(default_factory=dict)
    rule: str = DEFAULT_RULE
    strength: float | None = None
    overwrite: bool = False
    workers: int = 1
    rank: int = 0
    world: int = 1
    chunk: int = 8


class _Decoded(Dataset[Image.Image | str]):
    """RGB pictures, or the sentence that says why not."""

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
    """Explain what is not finished yet; broken files are told and passed over. The summary is written in any case.

    Returns:
        the sentence by file, of those that could not be used.

    Raises:
        DataError: no pictures in or below the folder, or results that would lie among them.
        DiskError: no room, or no permission; every picture that was finished is so still.
    """
    out = job.out.resolve()
    if job.root.resolve().is_relative_to(out):
        raise items.DataError(f"{job.out}: holds the pictures themselves; choose another folder for the results.")
    files = [f for f in reading.pictures(job.root) if not f.resolve().is_relative_to(out)]
    if not files:
        raise items.DataError(f"{job.root}: holds no pictures.")
    mine = files[job.rank :: job.world]
    todo = [f for f in mine if job.overwrite or _told(job, f).get("asked") != _asked(explainer, job, f)]
    errors: dict[str, str] = {}
    try:
        _work_off(explainer, job, todo, errors)
    finally:
        _summarise(job, mine, errors)
    return errors


def _work_off(explainer: Explainer, job: Job, todo: Sequence[Path], errors: dict[str, str]) -> None:
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
    explanations = explainer.explain_batch([picture for _, picture in waiting], chunk=job.chunk, **job.explain)
    for (file, _), explanation in zip(waiting, explanations, strict=True):
        if explanation.warning:
            tqdm.write(f"{file}: {explanation.warning}", file=sys.stderr)
        more = {"asked": _asked(explainer, job, file)}
        made = export.files(explanation, explainer, job.rule, job.strength, more=more)
        # The mark goes first and comes last: killed in between, the picture is not finished.
        write_all(_place(job, file), made, alone=True)
    done = len(waiting)
    waiting.clear()
    return done


def _asked(explainer: Explainer, job: Job, file: Path) -> dict[str, Any]:
    """All that a result depends on, as it comes back from JSON."""
    about = file.stat()
    asked = {
        "explain": job.explain,
        "rule": job.rule,
        "strength": job.strength,
        "weights": explainer.origin.sha256 if explainer.origin else None,
        "bytes": about.st_size,
        "changed": about.st_mtime_ns,
    }
    return json.loads(json.dumps(asked))


def _told(job: Job, file: Path) -> dict[str, Any]:
    mark = _place(job, file) / MARK
    try:
        told = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
    except ValueError:  # damaged after it was written: not finished
        return {}
    return told if isinstance(told, dict) and "asked" in told else {}


def _place(job: Job, file: Path) -> Path:
    return job.out / file.relative_to(job.root)


def _summarise(job: Job, files: Sequence[Path], errors: dict[str, str]) -> None:
    """One row a picture, finished now or earlier, in the order of the files; a name that is no UTF-8 escaped."""
    rows = []
    for file in files:
        name = str(file.relative_to(job.root))
        row: dict[str, Any] = {"image": readable(name), "error": errors.get(name, "")}
        told = {} if row["error"] else _told(job, file)
        if told:
            row |= {key: told[key] for key in ("target", "layer", "evidence", "rule", "strength")}
            row["warning"] = told.get("warning") or ""
            row |= {f"probability {c}": p for c, p in told["probabilities"].items()}
            for key in ("tau", "kept_area", "raw_max"):
                row |= {f"{key} {method}": value for method, value in told[key].items()}
        rows.append(row)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    job.out.mkdir(parents=True, exist_ok=True)
    name = "summary.csv" if job.world == 1 else f"summary-{job.rank}.csv"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write(job.out / name, text.getvalue())
