"""Networks from the Hub, over real HTTP: right weights, or one sentence."""

import json
import re
import shutil

import pytest

from dala import DALAResNet50, Explainer, models
from dala.models.serialization import WeightsError
from tests.support.fake_hub import COMMIT, Fault, Hub, closed_port
from tests.support.hub_client import NAMES, start


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A network of three classes."""
    folder = tmp_path_factory.mktemp("three")
    names, size = ["benign", "in situ", "invasive"], {"height": 96, "width": 128, "magnification": "20X"}
    DALAResNet50(names, size, {"data": "BACH"}).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_on_the_command_line_each_fault_is_one_line_and_code_2(three, patch_file, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "model.safetensors").symlink_to(three / "model.safetensors")
    config = json.loads((three / "config.json").read_text())
    (wrong / "config.json").write_text(json.dumps({**config, "sha256": "0" * 64}))
    with Hub({"you/net": three, "you/wrong": wrong}, {"you/gated": Fault(401, "GatedRepo")}) as server:
        cases = {
            ("you/net", f"http://127.0.0.1:{closed_port()}"): "you/net: http.* was not reached .*refused",
            ("you/none", server.url): "you/none: no such repository on the Hub",
            ("you/gated", server.url): "you/gated: gated; request access",
            ("you/wrong", server.url): "you/wrong/model.safetensors: its SHA-256 is not the one in config.json",
        }
        out = ["--out", str(tmp_path / "out")]
        started = [
            start(["-m", "dala", "explain", str(patch_file), *out, "--model", model], url, tmp_path / "cache")
            for model, url in cases
        ]
        for one, words in zip(started, cases.values(), strict=True):
            told = one.communicate(timeout=100)[1]
            assert one.returncode == 2
            assert re.fullmatch(rf"{words}.*\.\n", told), told
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "cache").rglob("refs/*")), "no branch stands for what was refused"


def test_weights_whose_config_states_another_hash_are_not_kept(three, serve, tmp_path):
    folder = shutil.copytree(three, tmp_path / "repository")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sha256": "0" * 64}))
    server = serve(folder)
    with pytest.raises(WeightsError, match=r"^you/net/model.safetensors: its SHA-256 is not the one in config.json"):
        models.load("you/net")
    with pytest.raises(WeightsError, match="local_files_only forbids"):
        models.load("you/net", local_files_only=True)
    (folder / "config.json").write_text(json.dumps(config))
    server.commit = COMMIT[::-1]
    loaded = models.load("you/net")
    assert (loaded.source, loaded.revision, loaded.sha256) == ("you/net", COMMIT[::-1], config["sha256"])
    assert loaded.folder == tmp_path / "cache" / "models--you--net" / "snapshots" / COMMIT[::-1]
    assert loaded.beside("config.json") == loaded.folder / "config.json"
    assert loaded.beside("nothing.json") is None


def test_what_was_damaged_in_the_cache_is_fetched_again(three, serve):
    server = serve(three)
    file = models.load("you/net").folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])
    server.faults["you/net"] = Fault(503)
    with pytest.raises(WeightsError, match=r"its SHA-256 is not .* A fresh copy was not to be had: .* answers 503"):
        models.load("you/net")
    with pytest.raises(WeightsError, match=r"its SHA-256 is not .* local_files_only forbids"):
        models.load("you/net", local_files_only=True)
    server.faults.clear()
    models.load("you/net")
    assert file.read_bytes() == whole


def test_from_pretrained_is_strict_and_as_quick(three, serve, tmp_path):
    server = serve(three)
    model = DALAResNet50.from_pretrained("you/net", revision=COMMIT, strict=True)
    assert model.class_names == ("benign", "in situ", "invasive")
    assert not model.training
    assert len(server.requests) == 5, "the list of files, and each by HEAD and GET"
    assert DALAResNet50.from_pretrained("you/net", revision=COMMIT, local_files_only=True).config() == model.config()
    for options in ({"strict": False}, {"class_names": ["a", "b"]}):
        with pytest.raises(WeightsError, match=f"takes no {next(iter(options))}"):
            DALAResNet50.from_pretrained("you/net", **options)
    server.faults["you/net"] = Fault(429, headers={"Retry-After": "60"})
    with pytest.raises(WeightsError, match="try again in 60 s"):
        DALAResNet50.from_pretrained("you/net", cache_dir=tmp_path / "other")


def test_a_repository_with_only_a_pickle_says_so(three, serve, tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "pytorch_model.bin").write_bytes(b"\x80")
    server = serve(tmp_path / "repository")
    for load in (models.load, DALAResNet50.from_pretrained):
        with pytest.raises(WeightsError, match=r"^you/net: holds no model.safetensors but a pickle .pytorch_model.bin"):
            load("you/net")
    (tmp_path / "repository" / "pytorch_model.bin").unlink()
    with pytest.raises(WeightsError, match=r"^you/net: holds no model.safetensors. .* other formats are not read"):
        models.load("you/net")
    assert not server.gets()


def test_what_a_config_of_the_hub_says_is_what_the_explainer_does(three, serve, patch):
    serve(three)
    counts = []
    explainer = Explainer.load("you/net", "cpu", lambda done, total: counts.append(done))
    assert counts[-1] == sum((three / name).stat().st_size for name in NAMES)
    assert (explainer.preprocessing.height, explainer.preprocessing.magnification) == (96, "20X")
    explanation = explainer.explain(patch, "in situ")
    assert list(explanation.probabilities) == ["benign", "in situ", "invasive"]
    assert explanation.target == "in situ"
    assert explanation.picture.size == (128, 96)


def test_eight_classes(tmp_path, patch):
    names = [f"class {i}" for i in range(7)] + ["μικρό"]
    DALAResNet50(names, {"height": 64, "width": 64, "mean": [0.5] * 3}).save_pretrained(tmp_path)
    explainer = Explainer.load(tmp_path, "cpu")
    explanation = explainer.explain(patch, "μικρό", methods=("grad_cam", "layer_cam"))
    assert list(explanation.probabilities) == names
    assert sum(explanation.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert explainer.retarget(explanation, ("class 3", "class 6")).target != "μικρό"
    assert explainer.preprocessing.mean == (0.5, 0.5, 0.5)


@pytest.mark.slow
def test_a_config_that_was_damaged_in_the_cache_is_fetched_again(three, serve):
    serve(three)
    file = models.load("you/net").folder / "config.json"
    whole = file.read_text()
    file.write_text(whole.replace("in situ", "in vivo"))
    assert models.load("you/net").model.class_names == ("benign", "in situ", "invasive")
    assert file.read_text() == whole
