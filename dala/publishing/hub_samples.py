"""Sample pictures of a data set on the Hugging Face Hub, copied once into a folder that `samples.read` takes.

Only what is shown is transferred: single files, or the first rows of parquet files by ranges of their bytes.
"""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from huggingface_hub import DatasetCard, HfFileSystem, cached_assets_path, constants
from tqdm import tqdm

from dala import files
from dala.data import hub_pictures
from dala.hub import transfer
from dala.hub.cache import Repository
from dala.hub.transfer import Transfer
from dala.images.reading import SUFFIXES
from dala.progress import Progress
from dala.publishing.samples import LIST, MOST, MOST_BYTES, MOST_LIST_BYTES, SamplesError, problems

__all__ = ["folder", "is_data_set"]

NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
TABLE, CARD = "metadata.csv", "README.md"
CAPTIONS = ("caption", "text", "label")  # columns of the table, the first that is there
MOST_TABLE_BYTES, MOST_BYTES_IN_ALL = 10_000_000, 300_000_000
Row = dict[str, Any]
T = TypeVar("T")


def is_data_set(name: str) -> bool:
    """Whether a name is "user/repo" or "user/repo@revision" and no folder here."""
    return bool(NAME.fullmatch(name)) and not Path(name).exists()


def folder(name: str, token: str | bool | None = None, progress: Progress | None = None) -> Path:
    """Return a folder with samples of a data set and their `samples.json`; they are fetched unless they were before.

    The samples are those of its `samples.json`, a list of objects with the fields of `Sample`; or those of its
    `metadata.csv`, with the columns `file_name` and `caption`, `text` or `label`; or its pictures, evenly spread over
    their folders; or the first rows of its parquet files (needs pyarrow). At most `MOST` samples and 300 MB. Origin and
    licence, where a sample states none, are the data set's commit and the licence of its card.

    Args:
        name: "user/repo" or "user/repo@revision".
        token: access token of the Hub; None for the one the client is logged in with.
        progress: called with the samples fetched and all; None for a bar on a terminal.

    Raises:
        SamplesError: no pictures, or a list of samples that cannot be read.
        DataError: parquet files without a column of pictures or labels, or pyarrow is missing.
        HubError: the Hub cannot be reached or refuses.
        DiskError: no room on the disk, or no permission.
    """
    repo, _, revision = name.partition("@")
    if hub_pictures.COMMIT.fullmatch(revision) and (_place(repo, revision) / LIST).is_file():
        return _place(repo, revision)
    source = Repository(repo, token, Path(constants.HF_HUB_CACHE).expanduser(), "dataset")
    commit, names = _run(repo, partial(source.names, revision or None))
    place = _place(repo, commit)
    if not (place / LIST).is_file():
        try:
            _fetch(_DataSet(source, commit, names), place, progress)
        except OSError as error:
            raise files.DiskError(files.refused(error, place)) from error
    return place


class _DataSet:
    """A commit of a data set: its files' names, and its samples."""

    def __init__(self, source: Repository, commit: str, names: Sequence[str]) -> None:
        self.source, self.repo, self.commit, self.names = source, source.repo, commit, names

    def file(self, name: str, most: int) -> Path:
        return _run(self.repo, partial(self.source.file, name, self.commit), most)

    def about(self) -> Row:
        """Origin and licence of samples that state none."""
        about = {"origin": f"{self.repo}@{self.commit[:7]}"}
        if CARD in self.names:
            with self.file(CARD, MOST_TABLE_BYTES).open(encoding="utf-8", errors="replace") as stream:
                try:
                    licence = DatasetCard(stream.read(), ignore_metadata_errors=True).data.get("license")
                except ValueError:
                    licence = None
            if licence:
                about["licence"] = ", ".join(licence) if isinstance(licence, list) else str(licence)
        return about

    def samples(self) -> tuple[int, Iterator[tuple[Row, bytes]]]:
        """How many, at most; and each sample's row without its file, with its picture."""
        rows = self._listed() or self._in_table() or self._pictures()
        if rows:
            return len(rows), ((row, self._content(row["file"])) for row in rows)
        shards = _spread(sorted(name for name in self.names if name.endswith(".parquet")))
        if not shards:
            raise SamplesError(f"{self.repo}: holds no pictures as PNG, JPEG, TIFF, WebP or BMP files, and no parquet.")
        return MOST, self._in_parquet(shards)

    def _content(self, name: str) -> bytes:
        if name not in self.names:
            raise SamplesError(f"{self.repo}: its list of samples names {name}, which it does not hold.")
        return self.file(name, MOST_BYTES).read_bytes()

    def _listed(self) -> list[Row]:
        if LIST not in self.names:
            return []
        try:
            rows = files.read_json(self.file(LIST, MOST_LIST_BYTES))
        except ValueError as error:
            raise SamplesError(f"{self.repo}/{LIST}: not valid JSON.") from error
        if not isinstance(rows, list):
            raise SamplesError(f"{self.repo}/{LIST}: not a list of samples.")
        for number, row in enumerate(rows[:MOST], 1):
            for problem in problems(row, plain=False):
                raise SamplesError(f"{self.repo}/{LIST}: sample {number}: {problem}.")
        return rows[:MOST]

    def _in_table(self) -> list[Row]:
        if TABLE not in self.names:
            return []
        text = self.file(TABLE, MOST_TABLE_BYTES).read_text(encoding="utf-8-sig", errors="replace")
        table = csv.DictReader(io.StringIO(text))
        if "file_name" not in (table.fieldnames or ()):
            raise SamplesError(f"{self.repo}/{TABLE}: has no column file_name.")
        rows = [row for row in table if _is_picture(row["file_name"] or "")]
        return [{"file": row["file_name"], "caption": _caption(row)} for row in _spread(rows)]

    def _pictures(self) -> list[Row]:
        chosen = _spread(sorted(name for name in self.names if _is_picture(name)))
        return [{"file": name, "caption": " · ".join(PurePosixPath(name).with_suffix("").parts)} for name in chosen]

    def _in_parquet(self, shards: Sequence[str]) -> Iterator[tuple[Row, bytes]]:
        readme = self.file(CARD, MOST_TABLE_BYTES) if CARD in self.names else None
        for k, shard in enumerate(shards):
            share = MOST * (k + 1) // len(shards) - MOST * k // len(shards)
            for label, content, suffix in self._rows(shard, readme, share):
                yield {"file": f"x{suffix}", "caption": label or PurePosixPath(shard).stem}, content

    def _rows(self, shard: str, readme: Path | None, share: int) -> list[tuple[str | None, bytes, str]]:
        system = HfFileSystem(endpoint=constants.ENDPOINT, token=self.source.token, skip_instance_cache=True)

        def read() -> list[tuple[str | None, bytes, str]]:
            with system.open(f"datasets/{self.repo}@{self.commit}/{shard}", block_size=2**20) as stream:
                return hub_pictures.first_rows(self.repo, stream, readme, share, MOST_BYTES)

        return _run(self.repo, lambda state: state.attempt(read, shard))


def _fetch(data_set: _DataSet, place: Path, progress: Progress | None) -> None:
    part, left = place.with_name(f"{place.name}.{os.getpid()}.part"), MOST_BYTES_IN_ALL
    about, (total, found) = data_set.about(), data_set.samples()
    kept: list[Row] = []
    try:
        part.mkdir(parents=True)
        for row, picture in tqdm(found, data_set.repo, total, leave=False, disable=True if progress else None):
            left -= len(picture)
            if left < 0:
                break
            name = f"{len(kept):02}{PurePosixPath(row['file']).suffix.lower()}"
            (part / name).write_bytes(picture)
            kept.append({**about, **row, "file": name})
            if progress:
                progress(len(kept), total)
        if not kept:
            raise SamplesError(f"{data_set.repo}: holds no picture of at most {MOST_BYTES // 1_000_000} MB.")
        (part / LIST).write_text(json.dumps(kept, indent=1), encoding="utf-8")
        if not place.is_dir():  # another process may have been faster
            part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _run(repo: str, call: Callable[[Transfer], T], most: int | None = None) -> T:
    return transfer.run(call, Transfer(repo, most), lambda done, total: None)


def _place(repo: str, commit: str) -> Path:
    assets = cached_assets_path("dala", repo.replace("/", "--"), "samples", assets_dir=constants.HF_ASSETS_CACHE)
    return assets / commit


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not PurePosixPath(name).name.startswith(".")


def _caption(row: dict[str, str | None]) -> str:
    return next((text for name in CAPTIONS if (text := row.get(name))), PurePosixPath(row["file_name"] or "").stem)


def _spread(values: list[T]) -> list[T]:
    """At most `MOST` of them, evenly spread."""
    return [values[len(values) * k // min(MOST, len(values))] for k in range(min(MOST, len(values)))]
