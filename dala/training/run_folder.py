"""The folder of a training run: its settings and split, which identify it, and its report, which comes last."""

import csv
import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dala import files
from dala.data.source_files import HUB, SUFFIX
from dala.data.splits import Split
from dala.hub import report
from dala.hub.layout import PREDICTIONS, REPORT, RUN_LABORATORIES, RUN_SHIFTS, SPLIT
from dala.hub.report import SourceRow
from dala.models import serialization
from dala.training.config import Settings, SettingsError

__all__ = ["command", "prepare", "reported_sha256", "speed", "write_json"]


def prepare(settings: Settings, split: Split, sources: Sequence[SourceRow] = ()) -> None:
    """Write `settings.json` and `split.json`; remove the results of another run, unless this one resumes it.

    Args:
        settings: of the run, resolved.
        split: of the pictures that are scored.
        sources: rows of the sets that are trained on, as the report has them.

    Raises:
        SettingsError: the run to be resumed has other settings, or another split.
        DiskError: no room on the disk, or no permission.
    """
    out = settings.runtime.out
    file, public = out / "settings.json", {**settings.public(), **({"sources": list(sources)} if sources else {})}
    if settings.runtime.resume and file.exists():
        if json.loads(file.read_text(encoding="utf-8")) != public:
            raise SettingsError(f"{file} has other settings: resume with the same, or choose another `out`.")
        if json.loads((out / SPLIT).read_text(encoding="utf-8")) != json.loads(split.to_json()):
            raise SettingsError(f"{out / 'split.json'} is another split, since the pictures have changed: start anew.")
    else:
        for old in [*out.glob("fold-*"), out / "final", out / RUN_SHIFTS, out / RUN_LABORATORIES]:
            shutil.rmtree(old, ignore_errors=True)
        for name in (REPORT, PREDICTIONS):
            (out / name).unlink(missing_ok=True)
    # The settings are written last: a folder that has them has the split.
    files.write(out / SPLIT, split.to_json())
    write_json(file, public)


def reported_sha256(out: Path) -> str | None:
    """SHA-256 of the final network of a finished run; None if its report or its weights are missing or differ."""
    try:
        sha256 = report.read(out / REPORT).get("sha256")
    except report.ReportError:
        return None
    file = out / serialization.FILE
    return sha256 if sha256 and file.exists() and sha256 == serialization.sha256(file) else None


def command(settings: Settings) -> str:
    """The command line that repeats a run, without the owner's paths."""
    default = Settings().resolve(torch.device("cpu")).public()
    unused = "crop" if settings.features.views and not settings.tuning.epochs else ""
    sets = " ".join(f"--data {_public_name(value)}" for value in settings.data.data)
    root = " --root ROOT" if SUFFIX in sets else ""
    parts = [f"python -m dala train {sets}{root} --init START --out RUN"]
    for name, value in settings.public().items():
        if value != default[name] and name not in ("precision", unused):
            flag = f"--{name.replace('_', '-')}"
            switch = flag if value is True else f"--no-{flag[2:]}"
            values = value if isinstance(value, list) else [value]
            parts += [switch] if isinstance(value, bool) else [f"{flag} {shlex.quote(str(one))}" for one in values]
    return " ".join(parts)


def _public_name(data: str) -> str:
    """A source file by its place in the project or else its name, a data set on the Hub, or DATA for a folder."""
    if data.endswith(SUFFIX):
        file = Path(data).resolve()
        inside = file.is_relative_to(files.ROOT)
        return shlex.quote(file.relative_to(files.ROOT).as_posix() if inside else file.name)
    return shlex.quote(data) if data.startswith(HUB) else "DATA"


def speed(out: Path) -> float | None:
    """Median of the images per second in the logs of all folds; None if nothing was fine-tuned."""
    rates: list[float] = []
    for file in out.glob("*/log.csv"):
        with file.open(newline="") as stream:
            rates += [float(r["images_per_second"]) for r in csv.DictReader(stream) if r["images_per_second"]]
    return round(float(np.median(rates)), 2) if rates else None


def write_json(file: Path, value: Any) -> None:
    """Write a value as indented JSON.

    Raises:
        DiskError: no room on the disk, or no permission.
    """
    files.write(file, json.dumps(value, indent=2) + "\n")
