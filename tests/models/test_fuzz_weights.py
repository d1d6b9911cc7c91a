"""Weights and configs that nobody would write by accident, and a few dozen that are damaged at random."""

import json
import os
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from dala import models
from dala.images import preprocessing
from dala.images.preprocessing import Preprocessing
from dala.models import serialization
from dala.models.serialization import WeightsError
from dala.ui.model_cache import HOST, ModelCache
from tests.fuzz import weights as fuzz
from tests.support.fake_hub import COMMIT, Hub, point


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    fuzz.sound(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to damage; its weights are a link, to be replaced and not written to."""
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    os.link(saved / "model.safetensors", tmp_path / "model.safetensors")
    return tmp_path


def refused(folder) -> str:
    with pytest.raises(WeightsError) as caught:
        models.load(folder)
    told = str(caught.value)
    assert told.isprintable() and told.endswith(".") and len(told) < 700
    return told


def fill(folder, **changes):
    state = load_file(folder / "model.safetensors")
    state.update({name.replace("__", "."): change(state[name.replace("__", ".")]) for name, change in changes.items()})
    (folder / "model.safetensors").unlink()
    save_file(state, folder / "model.safetensors")


@pytest.mark.parametrize(("changes", "words"), [
    ({"bn1__running_var": lambda v: -v}, "bn1.running_var hold variances below zero"),
    ({"bn1__weight": lambda v: v * 1e38, "bn1__bias": lambda v: v + 1e38}, "so large that the network's output"),
    ({"head__layers__5__bias": lambda v: v.to(torch.complex64)}, "are of type complex64"),
    ({"head__layers__5__bias": lambda v: v.to(torch.float8_e5m2)}, "are of type float8_e5m2"),
    ({"head__layers__5__bias": lambda v: v.to(torch.int8)}, "are of type int8"),
    ({"head__layers__5__bias": lambda v: v.to(torch.int64)}, "whole numbers in the place of fractions"),
    ({"bn1__num_batches_tracked": lambda v: v.float()}, "whole numbers in the place of fractions, or the reverse"),
    ({"head__layers__5__bias": lambda v: torch.tensor([1e300, 0], dtype=torch.float64)}, "not finite"),
])  # fmt: skip
def test_values_of_which_no_network_is_made(folder, changes, words):
    fill(folder, **changes)
    assert words in refused(folder)


def by_hand(header: str, content: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + content


ONE = '"a": {"dtype": "%s", "shape": [2], "data_offsets": [0, %d]}'


@pytest.mark.parametrize(("content", "words"), [
    (by_hand("{" + '"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}' + "}", bytes(4)), "type float4"),
    (by_hand("{" + ONE % ("F32", 8) + ", " + ONE % ("F32", 8) + "}", bytes(8)), "not a DALAResNet50"),
    (by_hand("{" + ONE % ("F32", 16) + "}", bytes(16)), "not a complete safetensors file"),
    (by_hand('{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 0]}}'), "not a complete"),
    (by_hand("[" * 100_000), "not a complete safetensors file"),
    (by_hand("{}"), "not a DALAResNet50, it lacks"),
    (by_hand("{" + ONE.replace('"a"', r'"\n\u001b[2J<b>"') % ("F32", 8) + "}", bytes(8)), "<b> besides"),
])  # fmt: skip
def test_files_made_by_hand(folder, content, words):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(content)
    assert words in refused(folder)


def test_a_file_too_large_is_not_read(folder):
    (folder / "model.safetensors").unlink()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.truncate(10**12)  # sparse
    assert "more than 500 MB" in refused(folder)


@pytest.mark.parametrize(("changes", "words"), [
    ({"class_names": [f"class {k}" for k in range(5000)]}, "two to 1000 different names, not 5000"),
    ({"class_names": ["a", "b\nc"]}, "one line"),
    ({"class_names": ["a", "b" * 101]}, "of 1 to 100 letters"),
    ({"class_names": ["a", 3]}, "a list of names"),
    ({"class_names": ["a", "\ud800"]}, "not valid JSON"),
    ({"provenance": {"data": "\udfff"}}, "not valid JSON"),
    ({"provenance": {"data": "x" * 2_000_000}}, "not valid JSON of at most 1 MB"),
    ({"reduction": 5000}, "reduction must be"),
    ({"reduction": True}, "reduction must be"),
    ({"dropout": float("nan")}, "dropout from 0 to 1"),
    ({"temperature": float("nan")}, "temperature must be"),
    ({"temperature": True}, "temperature must be"),
    ({"architecture": "V" * 10_000}, "the architecture is"),
    ({"preprocessing": {"height": 4096, "width": 4096}}, "at most 4,194,304 pixels"),
    ({"preprocessing": {"height": -64}}, "height and width of 32 to 4096"),
    ({"preprocessing": {"height": 10**30}}, "height and width of 32 to 4096"),
    ({"preprocessing": {"mean": [float("nan"), 0, 0]}}, "means from -10 to 10"),
    ({"preprocessing": {"mean": [1e308, 0, 0]}}, "means from -10 to 10"),
    ({"preprocessing": {"mean": 5}}, "config.json"),
    ({"preprocessing": {"std": [0, 1, 1]}}, "standard deviations from 0.001"),
    ({"preprocessing": {"std": [1e-320, 1, 1]}}, "standard deviations from 0.001"),
    ({"preprocessing": {"magnification": 40}}, "a magnification such as '100X'"),
    ({"preprocessing": {"um_per_pixel": "0.5"}}, "micrometres per pixel"),
    ({"preprocessing": {"um_per_pixel": 0}}, "micrometres per pixel"),
    ({"preprocessing": []}, ""),
])  # fmt: skip
def test_configs_that_no_network_is_built_from(folder, changes, words):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    if changes == {"preprocessing": []}:  # empty, as if it were left out
        assert models.load(folder).model.preprocessing == Preprocessing()
    else:
        assert words in refused(folder)


@pytest.mark.parametrize("told", ["40X,100X", "unknown", "", "X", "1e400X", "nanX"])
def test_a_magnification_that_tells_no_scale_gives_no_zoom(told):
    assert preprocessing.zoom_of("100X", Preprocessing(magnification=told)) is None


def test_what_cannot_be_used_from_the_hub_leaves_the_network_that_runs(small, folder, tmp_path, monkeypatch):
    cache = ModelCache(small)
    (folder / "config.json").write_text('{"class_names": ["a", 3]}')
    with Hub({"you/net": folder}) as hub:
        point(monkeypatch, hub.url, tmp_path / "cache")
        with pytest.raises(WeightsError, match="you/net/config.json: class_names"):
            cache.add("you/net")
        monkeypatch.setattr(serialization, "MOST_BYTES", 1_000_000)
        with pytest.raises(WeightsError, match="and 1,000,000 is the most"):
            cache.add(f"you/net@{COMMIT}")
    assert len(cache) == 1 and cache[HOST] is small


def test_two_dozen_damaged_folders():
    kinds, failures = fuzz.run(24, 1)
    assert not failures
    assert len(kinds) > 4
