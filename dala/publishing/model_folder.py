"""The folder of a model as it is published: the files that belong in it, each checked before anything is sent."""

import json
import re
import shutil
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from yaml import YAMLError

from dala import models
from dala.errors import DalaError
from dala.explain import gate, shift
from dala.files import read_json
from dala.hub import report
from dala.hub.layout import CARD, LABORATORIES, OWNED, PREDICTIONS, REPORT, SAMPLES, SPLITS, STUDY, TISSUE
from dala.images import preprocessing, reading
from dala.models import card as plain_card
from dala.models import serialization
from dala.publishing import card_notes, samples

__all__ = ["CARD", "OWNED", "REPORT", "PublishError", "check", "prepare"]

SHOWN = re.compile(r"!\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
PUBLISHED = {".safetensors", ".json", ".md", ".png", ".jpg", ".svg"}


class PublishError(DalaError):
    """A model that cannot be published as it is; the message says why."""


def prepare(source: Path, out: Path, own: Path | None = None) -> list[str]:
    """Write the folder that is published.

    It holds `model.safetensors`; `config.json` with its SHA-256; the model card with the files that it shows or names;
    if present, `report.json`, `card.json`, `explanations.json`, `tissue_maps.json`, `laboratories.json`, `gate.json`,
    `shift.json`, `splits/` and `samples/`. A run of `train` without a card gets one generated from its report, bare
    weights a minimal one.

    Args:
        source: a folder with weights.
        out: a folder that is new or empty.
        own: a folder of patches to publish with the model; see `dala.publishing.samples.read`. They are written as PNG
            without metadata, since a file's metadata may name a patient.

    Returns:
        Notes for the person who publishes, as sentences.

    Raises:
        WeightsError, SamplesError, GateError, ShiftError, ReportError, CardNotesError, PublishError: input that cannot
            be used.
        PublicationError, PredictionsError: a run without a card whose report cannot be published.
    """
    if not source.is_dir():
        raise PublishError(f"{source}: no such folder of weights.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PublishError(f"{out}: exists and is not empty; name a new folder, or empty this one.")
    patches = samples.read(own) if own else []
    loaded = models.load(source)
    try:
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / serialization.FILE, out / serialization.FILE)
        config = read_json(source / serialization.CONFIG) | {"sha256": loaded.sha256}
        _write_json(out / serialization.CONFIG, config)
        _write_card(source, out, loaded)
        if (source / gate.FILE).is_file():
            gate.read(source / gate.FILE, loaded.sha256, loaded.model.attention.squeeze.in_channels)
            shutil.copyfile(source / gate.FILE, out / gate.FILE)
        if (source / shift.FILE).is_file():
            shift.read(source / shift.FILE, loaded.sha256)
            shutil.copyfile(source / shift.FILE, out / shift.FILE)
        notes = _write_samples(patches, out / SAMPLES, own) if own else []
    except OSError as error:
        raise PublishError(f"{error.filename or out}: {error.strerror}.") from error
    check(out)
    return _about_card(out) + notes


def check(folder: Path) -> models.LoadedModel:
    """Check a folder before it is sent, and load its network.

    Raises:
        WeightsError: weights that do not load, or are not those of `config.json`.
        ReportError, CardNotesError: a `report.json` or a `card.json` that cannot be used.
        PublishError: a config without SHA-256, a card without metadata or with a missing picture, a report of other
            weights, or a file of a kind that is not published.
    """
    loaded = models.load(folder)
    if _read_json(folder / serialization.CONFIG).get("sha256") != loaded.sha256:
        raise PublishError(f"{folder / serialization.CONFIG}: does not hold the SHA-256 of {serialization.FILE}.")
    if (folder / REPORT).is_file() and report.read(folder / REPORT).get("sha256") not in (None, loaded.sha256):
        raise PublishError(f"{folder / REPORT}: belongs to other weights: its SHA-256 differs.")
    card_notes.read(folder / card_notes.FILE)
    card = _read_card(folder / CARD)
    missing = [name for name in SHOWN.findall(card.text) if not (folder / name).is_file()]
    if missing:
        raise PublishError(
            f"{folder / CARD}: shows {', '.join(missing)}, which does not exist; add the file or remove the picture."
        )
    other = [f for f in folder.rglob("*") if f.is_file() and f.suffix not in PUBLISHED]
    if other:
        raise PublishError(f"{other[0]}: files of this kind are not published with a model; remove it.")
    return loaded


def _write_card(source: Path, out: Path, loaded: models.LoadedModel) -> None:
    if (source / CARD).is_file():
        _copy_card(source, out)
    elif (source / PREDICTIONS).is_file():
        _write_run(source, out)
    else:
        (out / CARD).write_text(plain_card.card(loaded.model.config(), loaded.sha256), encoding="utf-8")


def _copy_card(source: Path, out: Path) -> None:
    text = (source / CARD).read_text(encoding="utf-8")
    named = {f.name for f in source.iterdir() if f.suffix in (".json", ".png") and f.name in text}
    # Files outside the folder are never published.
    shown = {name for name in SHOWN.findall(text) if ".." not in name and not Path(name).is_absolute()}
    splits = {f"{SPLITS}/{f.name}" for f in (source / SPLITS).glob("*.json")}
    for name in sorted(
        (named | shown | splits | {REPORT, STUDY, TISSUE, LABORATORIES, CARD, card_notes.FILE}) - {serialization.CONFIG}
    ):
        if (source / name).is_file():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, out / name)


def _write_run(source: Path, out: Path) -> None:
    # Scoring needs scikit-learn, which publishing a finished model does not.
    try:
        from dala.publishing import run_report
    except ModuleNotFoundError as error:
        raise PublishError(
            f"{source}: has no {CARD}, and generating one from its report needs {error.name}: "
            "pip install -r requirements-train.txt"
        ) from error
    notes = card_notes.read(source / card_notes.FILE)
    run = run_report.Publication(run_report.read(source), notes=notes)
    run_report.write(run, run_report.assemble(run), out)


def _write_samples(patches: list[samples.Sample], out: Path, own: Path) -> list[str]:
    """Write the patches with their list; notes for the person who publishes."""
    out.mkdir()
    rows: list[dict[str, Any]] = []
    for sample in patches:
        if not all(isinstance(text, str) for text in (sample.caption, sample.origin, sample.licence)):
            raise PublishError(f"{sample.file}: caption, origin and licence must be text.")
        try:
            picture = reading.read(sample.file)
        except preprocessing.ImageError as error:
            raise PublishError(f"{sample.file}: {error}") from error
        names = (f"{sample.file.stem}{f'-{k}' if k > 1 else ''}.png" for k in count(1))
        name = next(name for name in names if name not in {row["file"] for row in rows})
        picture.save(out / name)
        rows.append(asdict(replace(sample, file=Path(name))) | {"file": name})
    _write_json(out / samples.LIST, rows)
    return _about_samples(patches, own)


def _about_samples(patches: list[samples.Sample], own: Path) -> list[str]:
    notes = [f"{len(patches)} patches of {own} will be public, as PNG without their metadata."]
    listed = (own / samples.LIST).is_file()
    if not listed:
        notes.append(
            f"{own / samples.LIST} is missing: file names serve as captions, so make sure that none names a patient; "
            "origin and licence of the patches are missing."
        )
        if len(patches) == samples.MOST:
            notes.append(f"Without a list at most {samples.MOST} patches are taken, evenly spread.")
    bare = [s.file.name for s in patches if listed and not (s.origin and s.licence)]
    if bare:
        notes.append(f"{samples.LIST} lacks the origin or licence of {', '.join(bare)}.")
    return notes


def _about_card(folder: Path) -> list[str]:
    data = _read_card(folder / CARD).data.to_dict()
    notes = []
    if "model-index" not in data:
        notes.append(f"{CARD} has no model-index: the Hub's page will show no figures.")
    if data.get("license", "unknown") == "unknown":
        notes.append(f"{CARD} names no licence: without one, nobody else may use the weights.")
    return notes


def _read_card(file: Path) -> ModelCard:
    try:
        text = file.read_text(encoding="utf-8")
        if not text.startswith("---"):
            raise PublishError(
                f"{file}: does not begin with the Hub's metadata, a block of YAML between two lines of ---."
            )
        return ModelCard(text)
    except OSError as error:
        raise PublishError(f"{file}: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, YAMLError) as error:
        if isinstance(error, DalaError):
            raise
        raise PublishError(f"{file}: its metadata cannot be read: {' '.join(str(error).split())}.") from error


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = read_json(file)
    except (OSError, ValueError) as error:
        raise PublishError(f"{file}: not valid JSON.") from error
    if not isinstance(value, dict):
        raise PublishError(f"{file}: not a JSON object.")
    return value


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
