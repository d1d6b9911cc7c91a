import json
import os
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from dala import DALAResNet50, models
from dala.images import preprocessing
from dala.models import pretrained, serialization
from dala.models.serialization import WeightsError
from dala.phantoms import phantom
from tests.support.fake_hub import COMMIT, Hub

CODE = """
from dala import models
for source in {!r}:
    m = models.load(source)
    print(m.source, m.revision, m.sha256, m.folder.name)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A random network's folder, and the network."""
    folder = tmp_path_factory.mktemp("saved")
    model = DALAResNet50(["x", "y"], {"height": 64, "width": 64}).eval()
    serialization.save(model, folder)
    return folder, model


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to damage, whose config names no SHA-256."""
    config = json.loads((saved[0] / "config.json").read_text())
    del config["sha256"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    os.link(saved[0] / "model.safetensors", tmp_path / "model.safetensors")
    return tmp_path


def replace(folder, state):
    (folder / "model.safetensors").unlink()
    save_file(state, folder / "model.safetensors")


def test_what_was_saved_comes_back_in_half_precision(saved):
    folder, model = saved
    loaded = models.load(folder)
    assert loaded.sha256 == json.loads((folder / "config.json").read_text())["sha256"]
    assert loaded.revision is None
    assert not loaded.model.training
    for (name, a), b in zip(model.state_dict().items(), loaded.model.state_dict().values(), strict=True):
        assert b.dtype == a.dtype, name
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    assert models.load(folder / "model.safetensors").sha256 == loaded.sha256


def test_the_environment_and_the_shipped_folder(saved, monkeypatch):
    assert models.load().model.class_names == ("benign", "malignant")
    monkeypatch.setenv("DALA_MODEL", str(saved[0]))
    assert models.load().model.class_names == ("x", "y")


def test_the_shipped_file_is_under_55_mb():
    assert (pretrained.SHIPPED / "model.safetensors").stat().st_size < 55e6


def test_an_installation_without_weights_says_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(WeightsError, match=r"shipped: this installation has no weights; name a folder or a Hub id"):
        models.load()


def test_another_class_is_loaded_by_its_own_name(saved):
    class Other(DALAResNet50):
        pass

    with pytest.raises(WeightsError, match="the architecture is 'DALAResNet50', not Other"):
        pretrained.load(Other, saved[0])
    Other(["p", "q"]).save_pretrained(saved[0] / "other")
    assert type(Other.from_pretrained(saved[0] / "other")) is Other


def test_keys_and_shapes_are_strict(folder):
    state = load_file(folder / "model.safetensors")
    gate = state.pop("attention.squeeze.weight")
    replace(folder, state)
    with pytest.raises(WeightsError, match="lacks attention.squeeze.weight"):
        models.load(folder)
    replace(folder, {**state, "attention.squeeze.weight": gate, "extra": gate.clone()})
    with pytest.raises(WeightsError, match="has extra besides"):
        models.load(folder)
    replace(folder, {**state, "attention.squeeze.weight": gate[:, :7].clone()})
    with pytest.raises(WeightsError, match=r"wrong shape of attention.squeeze.weight: \(128, 7, 1, 1\)"):
        models.load(folder)


def test_values_must_be_finite(folder):
    state = load_file(folder / "model.safetensors")
    state["bn1.bias"][3] = float("nan")
    replace(folder, state)
    with pytest.raises(WeightsError, match="bn1.bias hold values that are not finite"):
        models.load(folder)


def test_another_hash_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sha256": "0" * 64}))
    with pytest.raises(WeightsError, match="SHA-256"):
        models.load(folder)


@pytest.mark.parametrize("content", [b"", b"x" * 100, pickle.dumps({"a": 1}), (1 << 60).to_bytes(8, "little") + b"{}"])
def test_other_formats_are_refused(folder, content):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        models.load(folder)


def test_a_truncated_file_is_refused(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(content[:-1000])
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        models.load(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "last.pt"])
def test_a_folder_with_only_a_pickle_is_refused(folder, name):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps({"conv1.weight": [0.0]}))
    with pytest.raises(WeightsError, match=f"holds no model.safetensors but a pickle .{name}."):
        models.load(folder)
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        models.load(folder / name)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match="holds no model.safetensors; other formats are not read"):
        models.load(folder)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[]", "not a JSON object"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"class_names": "ab"}', "class_names"),
        ('{"class_names": ["a"]}', "class_names"),
        ('{"class_names": ["a", "b"], "preprocessing": {"height": 1}}', "height"),
        ('{"class_names": ["a", "b"], "preprocessing": {"mean": ["a", "b", "c"]}}', "means"),
        ('{"class_names": ["a", "b"], "reduction": 0}', "reduction must be"),
        ('{"class_names": ["a", "b"], "reduction": -1}', "config.json: "),
        ('{"class_names": ["a", "b"], "provenance": "text"}', "provenance"),
        ('{"architecture": "VGG16", "class_names": ["a", "b"]}', "VGG16"),
    ],
)
def test_a_config_that_cannot_be(folder, config, words):
    (folder / "config.json").write_text(config)
    with pytest.raises(WeightsError, match=words):
        models.load(folder)


@pytest.mark.parametrize(
    "source",
    [
        "nowhere",
        "/nowhere/at/all",
        "../up",
        "a/b/c",
        "user/repo@",
        "user/repo@../../x",
        "no/file.safetensors",
        "x" * 5000,
    ],
)
def test_a_source_that_does_not_exist(source):
    with pytest.raises(WeightsError, match="no such folder or file"):
        models.load(source)


def run(sources, hub, cache, **environment):
    """Load in a process of its own: the client reads its environment once, at import."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(sources)],
        env={**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return [line.split() for line in done.stdout.splitlines()], done.stderr


def test_from_a_hub_then_from_its_cache(saved, tmp_path):
    digest = json.loads((saved[0] / "config.json").read_text())["sha256"]
    expected = ["you/net", COMMIT, digest, COMMIT]
    with Hub({"you/net": saved[0]}) as hub:
        rows, _ = run(["you/net", "you/net@main", f"you/net@{COMMIT}"], hub.url, tmp_path)
        assert rows == [expected] * 3
        assert len(hub.requests) == 6, "the list of files, config and weights by HEAD and GET, and the branch"
    rows, errors = run(["you/net", f"you/net@{COMMIT}", "you/other"], hub.url, tmp_path, HF_HUB_OFFLINE="1")
    assert rows == [expected] * 2
    assert "you/other: not in the cache, and HF_HUB_OFFLINE forbids requests to the Hub." in errors.splitlines()[-1]


def test_half_the_bytes_move_no_probability_by_more_than_half_a_percent(small, tmp_path):
    torch.manual_seed(0)
    model = DALAResNet50(small.class_names, small.preprocessing)
    # Values that fp16 does not hold exactly, as training leaves them.
    state = {k: v * (1 + 1e-3 * torch.rand_like(v)) if v.is_floating_point() else v for k, v in
             small.model.state_dict().items()}  # fmt: skip
    model.load_state_dict(state)
    serialization.save(model, tmp_path)
    loaded = models.load(tmp_path).model
    x = torch.cat(
        [preprocessing.to_tensor(phantom.make(k, k % 2 == 1, (128, 96)).picture, small.preprocessing) for k in range(6)]
    )
    with torch.no_grad():
        before, after = (m.eval()(x).softmax(1) for m in (model, loaded))
    assert not torch.equal(before, after)
    assert (before - after).abs().max() < 0.005
