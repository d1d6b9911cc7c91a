"""A model's folder as it is published: what belongs in it, nothing else, and everything checked before it is sent."""

import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from yaml import YAMLError

from dala import models
from dala.errors import DalaError
from dala.explain import gate
from dala.files import read_json
from dala.hub.layout import CARD, OWNED, REPORT, SAMPLES, SPLITS, STUDY
from dala.images import preprocessing, reading
from dala.models import card as plain_card
from dala.models import serialization
from dala.publishing import samples

__all__ = ["CARD", "OWNED", "REPORT", "PublishError", "check", "prepare"]

SHOWN = re.compile(r"!\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
PUBLISHED = {".safetensors", ".json", ".md", ".png", ".jpg", ".svg"}


class PublishError(DalaError):
    """A model that cannot be published as it is; the message says why."""


def prepare(source: Path, out: Path, own: Path | None = None) -> list[str]:
    """Write the folder that is published.

    It holds `model.safetensors`; `config.json` with its SHA-256; the model card `README.md` with the pictures that it
    shows and the JSON files that it names; where there are any, `report.json`, `explanations.json`, `gate.json`,
    `splits/` and `samples/`. A run of `python -m dala train` that has no card yet gets the one that its report implies,
    weights alone a plain one.

    Args:
        source: a folder with weights.
        out: a folder that is new or empty.
        own: a folder of patches to publish with the model; see `dala.publishing.samples.read`. Pixels alone are written, as PNG:
            names of patients travel in a file's metadata.

    Returns:
        What the person who publishes should know, in sentences.

    Raises:
        WeightsError, SamplesError, GateError, PublishError: what cannot be used. PublicationError, PredictionsError: a
            run that has no card and of which none can be made.
    """
    if not source.is_dir():
        raise PublishError(f"{source}: no such folder of weights.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PublishError(f"{out}: is there already and not empty; name a new folder, or empty this one.")
    found = samples.read(own) if own else []
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
        notes = _write_samples(found, out / SAMPLES, own) if own else []
    except OSError as error:
        raise PublishError(f"{error.filename or out}: {error.strerror}.") from error
    check(out)
    return _about_card(out) + notes


def check(folder: Path) -> models.LoadedModel:
    """The network of a folder that may be sent.

    Raises:
        WeightsError: weights that do not load, or not those of `config.json`.
        PublishError: a config without SHA-256, a card without metadata or with a picture that is missing, a report of
            other weights, or a file of a kind that is not published.
    """
    loaded = models.load(folder)
    if _read_json(folder / serialization.CONFIG).get("sha256") != loaded.sha256:
        raise PublishError(f"{folder / serialization.CONFIG}: does not tell the SHA-256 of {serialization.FILE}.")
    if (folder / REPORT).is_file() and _read_json(folder / REPORT).get("sha256") not in (None, loaded.sha256):
        raise PublishError(f"{folder / REPORT}: is of other weights, by its SHA-256.")
    card = _read_card(folder / CARD)
    missing = [name for name in SHOWN.findall(card.text) if not (folder / name).is_file()]
    if missing:
        raise PublishError(f"{folder / CARD}: shows {', '.join(missing)}, which is not there.")
    strange = [f for f in folder.rglob("*") if f.is_file() and f.suffix not in PUBLISHED]
    if strange:
        raise PublishError(f"{strange[0]}: is no file that is published with a model.")
    return loaded


def _write_card(source: Path, out: Path, loaded: models.LoadedModel) -> None:
    if (source / CARD).is_file():
        _copy_card(source, out)
    elif (source / "predictions.csv").is_file():
        _write_run(source, out)
    else:
        (out / CARD).write_text(plain_card.card(loaded.model.config(), loaded.sha256), encoding="utf-8")


def _copy_card(source: Path, out: Path) -> None:
    text = (source / CARD).read_text(encoding="utf-8")
    named = {f.name for f in source.iterdir() if f.suffix in (".json", ".png") and f.name in text}
    # Nothing that lies outside the folder goes out with it.
    shown = {name for name in SHOWN.findall(text) if ".." not in name and not Path(name).is_absolute()}
    splits = {f"{SPLITS}/{f.name}" for f in (source / SPLITS).glob("*.json")}
    for name in sorted((named | shown | splits | {REPORT, STUDY, CARD}) - {serialization.CONFIG}):
        if (source / name).is_file():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, out / name)


def _write_run(source: Path, out: Path) -> None:
    # Its figures need what training needs, which whoever publishes a finished model may not have.
    try:
        from dala.publishing import run_report
    except ModuleNotFoundError as error:
        raise PublishError(
            f"{source} has no {CARD}, and to make one of its report needs {error.name}: "
            "pip install -r requirements-train.txt"
        ) from error
    run = run_report.Publication(run_report.read(source))
    run_report.write(run, run_report.assemble(run), out)


def _write_samples(found: list[samples.Sample], out: Path, own: Path) -> list[str]:
    """The patches with their list, and what their host should know."""
    out.mkdir()
    rows: list[dict[str, Any]] = []
    for sample in found:
        if not all(isinstance(text, str) for text in (sample.caption, sample.origin, sample.licence)):
            raise PublishError(f"{sample.file}: caption, origin and licence must be text.")
        try:
            picture = reading.read(sample.file)
        except preprocessing.ImageError as error:
            raise PublishError(f"{sample.file}: {error}") from error
        stem, taken = sample.file.stem, {row["file"] for row in rows}
        name = next(n for k in range(len(found)) if (n := f"{stem}-{k + 1}.png" if k else f"{stem}.png") not in taken)
        picture.save(out / name)
        rows.append(asdict(replace(sample, file=Path(name))) | {"file": name})
    _write_json(out / samples.LIST, rows)
    return _about_samples(found, own)


def _about_samples(found: list[samples.Sample], own: Path) -> list[str]:
    notes = [f"{len(found)} patches of {own} become public, as PNG without their metadata."]
    listed = (own / samples.LIST).is_file()
    if not listed:
        notes.append(
            f"{own / samples.LIST} is missing: captions are the files' names, so make sure that none names a patient; "
            "origin and licence of the patches are missing."
        )
        if len(found) == samples.MOST:
            notes.append(f"Without a list at most {samples.MOST} are taken, evenly spread.")
    bare = [s.file.name for s in found if listed and not (s.origin and s.licence)]
    if bare:
        notes.append(f"{samples.LIST} tells no origin or no licence of {', '.join(bare)}.")
    return notes


def _about_card(folder: Path) -> list[str]:
    data = _read_card(folder / CARD).data.to_dict()
    notes = []
    if "model-index" not in data:
        notes.append(f"{CARD} has no model-index: the Hub's page will show no figures.")
    if data.get("license", "unknown") == "unknown":
        notes.append(f"{CARD} names no licence: until it does, nobody else may use the weights.")
    return notes


def _read_card(file: Path) -> ModelCard:
    try:
        text = file.read_text(encoding="utf-8")
        if not text.startswith("---"):
            raise PublishError(f"{file}: begins without the Hub's metadata, a block of YAML between two lines of ---.")
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
