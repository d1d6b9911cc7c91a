import json
from pathlib import Path

import pytest

from dala.data import source_files
from dala.data.items import DataError
from dala.files import ROOT

TILES = {"title": "tiles", "folder": "tiles", "zoom": 0.5, "laboratory": "L", "patients": "unknown", "licence": "CC0"}
BREAKHIS = {**TILES, "format": "breakhis", "magnifications": ["100X"]}


def read(tmp_path, keys):
    file = tmp_path / "one.json"
    file.write_text(keys if isinstance(keys, str) else json.dumps(keys))
    return source_files.read(file, tmp_path / "root")


def test_a_source_file(tmp_path):
    source = read(tmp_path, {**TILES, "classes": {"a": "b", "c": None}, "weight": 1, "leave_out": ["p"], "at_most": 4})
    assert source.folder == tmp_path / "root" / "tiles" and source.described and source.has_scale
    assert (source.classes, source.weight, source.leave_out, source.at_most) == ({"a": "b", "c": None}, 1, ("p",), 4)
    assert not read(tmp_path, {k: v for k, v in TILES.items() if k != "zoom"}).has_scale
    assert read(tmp_path, BREAKHIS).magnifications == ("100X",)


@pytest.mark.parametrize("file", sorted((ROOT / "weights" / "sources").glob("*.json")), ids=lambda file: file.stem)
def test_the_files_beside_the_weights(file):
    source = source_files.read(file, Path())
    assert source.has_scale or source.evaluation_only
    assert source.licence and source.citation


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "there is no key named colour; see the source files"),
        ({"title": None}, "title is not valid"),
        ({"licence": ...}, "licence is missing"),
        ({"laboratory": ...}, "laboratory is missing"),
        ({"weight": 0}, "weight is not valid"),
        ({"zoom": float("nan")}, "zoom is not valid"),
        ({"um_per_pixel": 1}, "its scale is stated as um_per_pixel and as zoom: keep one"),
        ({"hub": "you/pictures"}, "name either a `folder` or a data set on the `hub`"),
        ({"folder": ...}, "name either a `folder` or a data set on the `hub`"),
        ({"folder": "/home/me/tiles"}, "`folder` must be relative"),
        ({"format": "camelyon"}, "no format named 'camelyon'"),
        ({"format": "breakhis"}, "list its `magnifications`"),
        ({"magnifications": ["100X"]}, "only breakhis has `magnifications`"),
        ({**BREAKHIS, "magnifications": ["100X", "40X"]}, "one `zoom` cannot hold for several"),
        ({"classes": {"a": None}}, "leave every class out"),
        ({"classes": {}}, "classes is not valid"),
        ({"patients": "some"}, "patients is not valid"),
        ({"magnification": "forty"}, "magnification is not valid"),
    ],
)
def test_refusals(tmp_path, change, words):
    keys = {k: v for k, v in (TILES | change).items() if v is not ...}
    with pytest.raises(DataError, match=f"one.json: .*{words}") as caught:
        read(tmp_path, keys)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [("{", "is not JSON"), ("[]", "not a JSON object")])
def test_what_is_no_source_file(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read(tmp_path, text)
    with pytest.raises(DataError, match="No such file"):
        source_files.read(tmp_path / "none.json", tmp_path)
