"""Data sets of pictures on the Hugging Face Hub: parquet files with pictures and labels, as a folder.

The pictures are copied out of the parquet files byte by byte, into a folder for each label in the client's cache of
assets, and are decoded only where all others are, in `dala.images.reading`.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import DatasetCard, cached_assets_path, constants

from dala import files
from dala.data.items import DataError
from dala.hub import parquet
from dala.images.reading import SUFFIXES

__all__ = ["COMMIT", "first_rows", "folder"]

COMMIT = re.compile(r"[0-9a-f]{40}")
LABEL = re.compile(r"(?![.]|__MACOSX$)[^/\\\0:*?\"<>|]{1,100}")
BATCH = 16  # rows
Row = tuple[str | None, bytes, str]  # label, if any; bytes of the picture's file; its suffix


def folder(name: str) -> Path:
    """Return a folder with the pictures of a data set, by label; they are downloaded unless they have been before.

    Args:
        name: "owner/name" or "owner/name@revision". Only a revision that is a commit is found without a request.

    Raises:
        DataError: no column of pictures or of labels, labels that cannot be folders' names, or damaged files.
        HubError: the Hub cannot be reached or refuses.
        DiskError: no room on the disk, or no permission.
    """
    repo, _, revision = name.partition("@")
    if COMMIT.fullmatch(revision) and (place := _place(repo, revision)).is_dir():
        return place
    commit, names = parquet.listing(repo, revision or None)
    place = _place(repo, commit)
    if place.is_dir():
        return place
    downloaded = parquet.download(repo, names, commit)
    part = place.with_name(f"{commit}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        _extract(repo, downloaded, names, part)
        if not place.is_dir():  # another process may have been faster
            part.rename(place)
    except OSError as error:
        raise files.DiskError(files.refused(error, place)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place


def _place(repo: str, commit: str) -> Path:
    assets = cached_assets_path("dala", repo.replace("/", "--"), "pictures", assets_dir=constants.HF_ASSETS_CACHE)
    return assets / commit


def _extract(repo: str, downloaded: Sequence[Path], names: Sequence[str], target: Path) -> None:
    readme = next((file for file in downloaded if file.suffix == ".md"), None)
    count = 0
    for file, name in zip(downloaded, names, strict=True):
        if file.suffix == ".parquet":
            stem = name.removesuffix(".parquet").replace("/", "-")
            for row, (label, content, suffix) in enumerate(_rows(repo, file, readme)):
                if label is not None:
                    (target / label).mkdir(exist_ok=True)
                    (target / label / f"{stem}-{row:06}{suffix}").write_bytes(content)
                    count += 1
    if not count:
        raise DataError(f"{repo}: none of its pictures has a label.")


@dataclass(frozen=True)
class _Columns:
    """The columns of pictures and labels, and the labels' names by index; without names a label is its own name."""

    image: str
    label: str
    names: list[str] | None


def first_rows(repo: str, stream: Any, readme: Path | None, most: int, most_bytes: int) -> list[Row]:
    """Return the first rows of evenly spread row groups of a parquet file, without reading the others.

    Args:
        repo: for messages.
        stream: a file that can seek.
        readme: the data set's card, which may name the labels; None without one.
        most: number of rows.
        most_bytes: of a picture; rows with a larger one are left out.

    Raises:
        DataError: see `folder`.
    """
    with _table(repo, stream) as table:
        columns, groups = _columns(repo, table.schema_arrow, readme), table.num_row_groups
        chosen = [groups * k // min(most, groups) for k in range(min(most, groups))]
        shares = [most * (k + 1) // len(chosen) - most * k // len(chosen) for k in range(len(chosen))]
        found = []
        for group, share in zip(chosen, shares, strict=True):
            batches = table.iter_batches(1, [group], [columns.image, columns.label])
            found += [_row(repo, columns, batch.to_pylist()[0]) for batch in islice(batches, share)]
    return [row for row in found if len(row[1]) <= most_bytes]


def _rows(repo: str, file: Path, readme: Path | None) -> Iterator[Row]:
    with _table(repo, file) as table:
        columns = _columns(repo, table.schema_arrow, readme)
        for batch in table.iter_batches(BATCH, columns=[columns.image, columns.label]):
            for row in batch.to_pylist():
                yield _row(repo, columns, row)


@contextmanager
def _table(repo: str, file: Any) -> Iterator[Any]:
    """A parquet file, from which columns are read in small pieces."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise DataError(f'{repo}: to read it, pip install pyarrow, or "dala[train]".') from error
    try:
        with ParquetFile(file, buffer_size=2**20, pre_buffer=False) as table:
            yield table
    except pyarrow.ArrowException as error:
        name = PurePosixPath(str(getattr(file, "path", file))).name
        raise DataError(f"{repo}: {name} is damaged, or no parquet file; download it again.") from error


def _row(repo: str, columns: _Columns, row: dict[str, Any]) -> Row:
    picture, index = row[columns.image], row[columns.label]
    content, name = (picture.get("bytes"), picture.get("path")) if isinstance(picture, dict) else (picture, None)
    suffix = PurePosixPath(name or "").suffix.lower()
    if not isinstance(content, bytes):
        raise DataError(f"{repo}: its pictures are not in the parquet files: download them, and name their folder.")
    return _label(repo, columns, index), content, suffix if suffix in SUFFIXES else ".png"


def _label(repo: str, columns: _Columns, index: Any) -> str | None:
    """The name of a label; None if the picture has none, as in the test set of a challenge."""
    if index is None or (columns.names and index == -1):
        return None
    if columns.names is None:
        label = str(index)
    elif isinstance(index, int) and 0 <= index < len(columns.names):
        label = columns.names[index]
    else:
        raise DataError(f"{repo}: the label {index!r} has no name; there are {len(columns.names)}.")
    if not LABEL.fullmatch(label) or not label.isprintable():
        raise DataError(f"{repo}: the label {label[:100]!r} cannot be the name of a folder.")
    return label


def _columns(repo: str, schema: Any, readme: Path | None) -> _Columns:
    features = _features(schema.metadata or {}) or _card_features(readme)
    kinds = {name: str(feature.get("_type")) for name, feature in features.items() if name in schema.names}
    image = _one(repo, "pictures", "image", [n for n, kind in kinds.items() if kind == "Image"], schema.names)
    label = _one(repo, "labels", "label", [n for n, kind in kinds.items() if kind == "ClassLabel"], schema.names)
    names = features.get(label, {}).get("names")
    return _Columns(image, label, [str(n) for n in names] if isinstance(names, list) else None)


def _one(repo: str, what: str, usual: str, typed: list[str], present: Sequence[str]) -> str:
    """The column of pictures or labels: the one of that type, or the one with the usual name."""
    if len(typed) == 1:
        return typed[0]
    if usual in (typed or present):
        return usual
    raise DataError(f"{repo}: which column holds the {what} is not stated: there are {', '.join(present)}.")


def _features(metadata: dict[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """Features by column, as `datasets` writes them to the schema; empty if it did not."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (LookupError, ValueError, TypeError):
        return {}
    return {n: f for n, f in features.items() if isinstance(f, dict)} if isinstance(features, dict) else {}


def _card_features(readme: Path | None) -> dict[str, dict[str, Any]]:
    """The same from the front matter of a README, where a label's names are a list or a dict by index."""
    if readme is None:
        return {}
    try:
        about = DatasetCard.load(readme, ignore_metadata_errors=True).data.to_dict().get("dataset_info")
    except ValueError:
        return {}
    about = about[0] if isinstance(about, list) and about else about
    result: dict[str, dict[str, Any]] = {}
    for feature in (about.get("features") or ()) if isinstance(about, dict) else ():
        kind = feature.get("dtype")
        if kind == "image":
            result[feature["name"]] = {"_type": "Image"}
        elif isinstance(kind, dict) and isinstance(names := kind.get("class_label", {}).get("names"), dict | list):
            ordered = [names[k] for k in sorted(names, key=int)] if isinstance(names, dict) else names
            result[feature["name"]] = {"_type": "ClassLabel", "names": ordered}
    return result
