"""Samples of a data set on a Hub, fetched by the real client over HTTP."""

import io
import json

import numpy as np
import pyarrow
import pytest
from huggingface_hub import constants
from PIL import Image
from pyarrow import parquet

from dala.data.items import DataError
from dala.hub import transfer
from dala.hub.cache import HubError
from dala.publishing import hub_samples, samples
from dala.publishing.samples import MOST, SamplesError
from tests.support.fake_hub import COMMIT, Fault

CARD = """---
license: cc-by-nc-nd-4.0
dataset_info:
  features:
  - {name: image, dtype: image}
  - {name: label, dtype: {class_label: {names: {"0": Normal, "1": Benign}}}}
---
"""
ORIGIN = f"you/net@{COMMIT[:7]}"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setattr(transfer, "PATIENCE", 60)  # a busy machine is no silent Hub
    (tmp_path / "repository").mkdir()
    return tmp_path / "repository"


def draw(file, seed=0, size=(48, 40)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(file)
    return file


def found(name="you/net"):
    return samples.read(hub_samples.folder(name))


def test_a_folder_of_pictures_with_a_list(repository, serve):
    draw(repository / "pictures" / "duct.png", 1)
    rows = [{"file": "pictures/duct.png", "caption": "A duct", "um_per_pixel": 0.42, "licence": "CC0"}]
    (repository / "samples.json").write_text(json.dumps(rows))
    server = serve(repository)
    (sample,) = found()
    assert (sample.caption, sample.um_per_pixel, sample.licence, sample.origin) == ("A duct", 0.42, "CC0", ORIGIN)
    assert sample.file.read_bytes() == (repository / "pictures" / "duct.png").read_bytes()
    asked = len(server.requests)
    assert [s.file for s in found(f"you/net@{COMMIT}")] == [sample.file] and len(server.requests) == asked


def test_a_table_of_captions(repository, serve):
    draw(repository / "a.png"), draw(repository / "b.png")
    (repository / "metadata.csv").write_text("\ufefffile_name,label\na.png,benign\nb.png,\n")
    (repository / "README.md").write_text(CARD)
    serve(repository)
    assert [(s.caption, s.licence) for s in found()] == [("benign", "cc-by-nc-nd-4.0"), ("b", "cc-by-nc-nd-4.0")]


def test_pictures_without_a_list_are_spread_over_their_folders(repository, serve):
    for k in range(60):
        draw(repository / f"class{k // 30}" / f"{k:02}.png", k)
    draw(repository / ".hidden.png")
    server = serve(repository)
    steps = []
    own = hub_samples.folder("you/net", progress=lambda *step: steps.append(step))
    got = samples.read(own)
    assert steps == [(k + 1, MOST) for k in range(MOST)]
    assert len(got) == MOST and {s.caption.split(" · ")[0] for s in got} == {"class0", "class1"}
    assert sum(path.endswith(".png") for path in server.gets()) == MOST


def test_the_first_rows_of_parquet_files_by_ranges(repository, serve):
    rng = np.random.default_rng(0)
    for shard in range(2):
        rows = [{"image": {"bytes": noise(rng), "path": "x.png"}, "label": k % 2} for k in range(120)]
        parquet.write_table(pyarrow.Table.from_pylist(rows), repository / f"{shard}.parquet", row_group_size=40)
    (repository / "README.md").write_text(CARD)
    server = serve(repository)
    got = found()
    assert len(got) == MOST and {s.caption for s in got} == {"Normal", "Benign"}
    assert all(s.licence == "cc-by-nc-nd-4.0" for s in got)
    ranges = [h["Range"] for h in server.headers if "Range" in h]
    sent = sum(int(b) - int(a) + 1 for a, b in (r.removeprefix("bytes=").split("-") for r in ranges))
    assert sent < 0.7 * sum(f.stat().st_size for f in repository.glob("*.parquet"))


def noise(rng):
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(stream, "png")
    return stream.getvalue()


def test_too_large_pictures_and_sets_are_bounded(repository, serve, monkeypatch):
    for k in range(5):
        draw(repository / f"{k}.png", k)
    monkeypatch.setattr(hub_samples, "MOST_BYTES_IN_ALL", 3 * (repository / "0.png").stat().st_size + 99)
    serve(repository)
    assert len(found()) == 3


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({"notes.txt": b"none"}, SamplesError, "holds no pictures"),
        ({"samples.json": b"{"}, SamplesError, "not valid JSON"),
        ({"samples.json": b"[1]"}, SamplesError, "sample 1: not an object"),
        ({"samples.json": b'[{"file": "gone.png", "caption": "x"}]'}, SamplesError, "names gone.png"),
        ({"metadata.csv": b"name,label\n"}, SamplesError, "no column file_name"),
        ({"a.parquet": b"PAR1 no table PAR1"}, DataError, "damaged, or no parquet file"),
    ],
)
def test_data_sets_that_hold_no_samples(repository, serve, files, error, words):
    for name, content in files.items():
        (repository / name).write_bytes(content)
    serve(repository)
    with pytest.raises(error, match=words):
        found()


def test_a_hub_that_fails(repository, serve):
    draw(repository / "a.png")
    serve(repository, Fault(status=401, on="a.png"))
    with pytest.raises(HubError, match="access refused"):
        found()
    with pytest.raises(HubError, match="no such repository"):
        found("you/other")
    assert not list((repository.parent / "assets").rglob("samples.json")), "nothing half fetched stays"


def test_what_is_a_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub_samples.is_data_set("1aurent/BACH") and hub_samples.is_data_set("a/b@refs/pr/1")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert not any(map(hub_samples.is_data_set, ("a/b", "/a/b/c", "folder", "./a", "a/b/c")))
