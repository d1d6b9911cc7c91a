"""Data sets of pictures on a Hub, read through the real client over HTTP."""

import io
import json

import numpy as np
import pyarrow
import pytest
from huggingface_hub import constants
from PIL import Image
from pyarrow import parquet

from dala import cli
from dala.data import datasets, hub_pictures, sources
from dala.data.items import DataError
from dala.hub import transfer
from dala.hub.cache import HubError
from dala.images import formats
from tests.support.fake_hub import COMMIT, Fault

NAMES = ["Normal", "Benign", "In situ"]
FEATURES = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
CARD = """---
dataset_info:
  features:
  - {name: image, dtype: image}
  - {name: label, dtype: {class_label: {names: {"0": Normal, "1": Benign, "2": In situ}}}}
---
# Pictures
"""


def encoded(seed, kind="png"):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def rows(labels, kind="png"):
    return [{"image": {"bytes": encoded(k, kind), "path": f"a/{k}.{kind}"}, "label": n} for k, n in enumerate(labels)]


def write(file, table, features=FEATURES):
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist(table)
    if features:
        stated = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": stated})
    parquet.write_table(table, file)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setattr(transfer, "PATIENCE", 60)  # a busy machine is no silent Hub
    return tmp_path / "repository"


def test_it_reads_like_a_folder(repository, serve):
    write(repository / "data" / "train-0.parquet", rows([0, 1, 2, 1]))
    write(repository / "data" / "test-0.parquet", rows([2, -1, None], "tiff"))
    server = serve(repository)
    root = hub_pictures.folder("you/net")
    dataset = datasets.read(root, "folder")
    assert dataset.class_names == ["Benign", "In situ", "Normal"] and not dataset.grouped
    assert [i.path.relative_to(root).as_posix() for i in dataset.items] == [
        "Benign/data-train-0-000001.png",
        "Benign/data-train-0-000003.png",
        "In situ/data-test-0-000000.tiff",
        "In situ/data-train-0-000002.png",
        "Normal/data-train-0-000000.png",
    ]
    assert dataset.items[0].path.read_bytes() == encoded(1)
    asked = len(server.requests)
    assert hub_pictures.folder(f"you/net@{COMMIT}") == root and len(server.requests) == asked
    assert hub_pictures.folder("you/net") == root
    assert [method for method, _ in server.requests[asked:]] == ["API"], "the commit alone is asked for"


def test_a_new_commit_is_another_folder(repository, serve):
    write(repository / "one.parquet", rows([0, 1]))
    server = serve(repository)
    first = hub_pictures.folder("you/net")
    server.commit = COMMIT[::-1]
    write(repository / "one.parquet", rows([0, 1, 2]))
    second = hub_pictures.folder("you/net")
    assert len(list(first.rglob("*.png"))) == 2 and len(list(second.rglob("*.png"))) == 3
    assert sorted(p.name for p in second.parent.iterdir()) == sorted([COMMIT, COMMIT[::-1]])


@pytest.mark.parametrize(
    "card", [CARD, CARD.replace('{"0": Normal, "1": Benign, "2": In situ}', "[Normal, Benign, x]")]
)
def test_the_card_names_the_labels_where_the_schema_does_not(repository, serve, card):
    write(repository / "one.parquet", rows([0, 1]), features=None)
    (repository / "README.md").write_text(card)
    serve(repository)
    assert {p.name for p in hub_pictures.folder("you/net").iterdir()} == {"Normal", "Benign"}


def test_labels_without_names_are_their_own(repository, serve):
    table = [{"image": encoded(k), "label": label} for k, label in enumerate(["fat", "gland"])]
    write(repository / "one.parquet", table, features=None)
    serve(repository)
    assert {p.name for p in hub_pictures.folder("you/net").iterdir()} == {"fat", "gland"}


def test_hostile_pictures_are_read_where_all_pictures_are(repository, serve, monkeypatch):
    table = rows([0, 0, 1, 1])
    table[1]["image"] = {"bytes": b"\x89PNG no picture", "path": "../../../etc/x.exe"}
    write(repository / "one.parquet", table)
    serve(repository)
    seen = []
    inner = formats.format_of
    monkeypatch.setattr(formats, "format_of", lambda head: seen.append(1) or inner(head))
    (source,) = sources.open_all(["hub:you/net"], repository, "breakhis", {"Normal": "a", "Benign": "b"}, [])
    dataset = sources.read([source])
    assert not seen and len(dataset.items) == 4
    dataset = sources.readable(dataset)
    assert len(seen) == 4 and [p.name for p in dataset.skipped] == ["one-000001.png"]


NO_BYTES = [{"image": {"bytes": None, "path": "a.png"}, "label": 0}]
TWO = [{"left": {"bytes": encoded(0), "path": ""}, "right": {"bytes": encoded(0), "path": ""}, "label": 0}]


@pytest.mark.parametrize(
    ("table", "features", "words"),
    [
        (NO_BYTES, FEATURES, "its pictures are not in the parquet files"),
        (TWO, None, "which column holds the pictures is not stated: there are left, right, label"),
        (
            rows([0]),
            {"image": {"_type": "Image"}, "label": {"names": ["../x"], "_type": "ClassLabel"}},
            "'../x' cannot",
        ),
        (rows([5]), FEATURES, "the label 5 has no name; there are 3"),
        (rows([-1]), FEATURES, "none of its pictures has a label"),
        ([{"image": encoded(0), "kind": 0}], None, "which column holds the labels is not stated"),
    ],
)
def test_refusals(repository, serve, table, features, words):
    write(repository / "one.parquet", table, features)
    serve(repository)
    with pytest.raises(DataError, match=f"you/net: .*{words}") as caught:
        hub_pictures.folder("you/net")
    assert "\n" not in str(caught.value)
    assert not [p for p in repository.parent.joinpath("assets").rglob("*") if p.is_file() or p.suffix == ".part"]


def test_what_is_no_data_set_of_pictures(repository, serve):
    repository.mkdir()
    (repository / "README.md").write_text("# Nothing")
    serve(repository)
    with pytest.raises(HubError, match="you/net: holds no parquet files"):
        hub_pictures.folder("you/net")
    (repository / "one.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="you/net: one.parquet is damaged"):
        hub_pictures.folder("you/net")


def test_an_unknown_data_set_is_one_sentence_on_the_command_line(repository, serve, capsys):
    repository.mkdir()
    serve(repository, Fault(404, "RepoNotFound"))
    assert cli.main(["data", "check", "hub:you/net"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "you/net: no such repository on the Hub" in error
