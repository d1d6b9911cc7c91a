import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image

from dala import DALAResNet50, models
from dala.images import reading
from dala.publishing import samples
from dala.publishing.samples import SamplesError
from tests.support.fake_hub import COMMIT, Fault, Hub, point


def test_the_shipped_ones_tell_what_and_whence():
    found = samples.find()
    assert sum("phantom" in s.caption.lower() and s.generated for s in found) >= 4
    real = [s for s in found if "Real" in s.caption]
    assert len(real) >= 2
    assert all("not breast" in s.caption for s in real)
    for sample in found:
        assert sample.origin
        assert sample.licence
        assert min(reading.read(sample.file).size) >= 32


def test_the_shipped_decoy_is_all_that_differs_from_the_plain_phantom():
    plain, inked = (np.asarray(reading.read(samples.SHIPPED / f"phantom_{name}.png"), int) for name in ("plain", "ink"))
    decoy = np.asarray(Image.open(samples.SHIPPED / "phantom_ink_decoy.png")) > 0
    changed = np.abs(plain - inked).max(2) > 1
    assert 0.01 < changed.mean() < 0.08
    assert changed[decoy].mean() > 0.95


def test_a_hosts_own_come_first(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "mine.png")
    monkeypatch.setenv("DALA_SAMPLES", str(tmp_path))
    assert samples.find()[0].caption == "mine"
    (tmp_path / "samples.json").write_text(json.dumps([{"file": "mine.png", "caption": "A duct", "licence": "CC0"}]))
    assert (samples.find()[0].caption, samples.find()[0].licence) == ("A duct", "CC0")


def test_a_data_set_of_a_host_is_spread_over_its_folders(tmp_path):
    for i in range(120):
        folder = tmp_path / f"class{i // 60}"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(folder / f"{i:03d}.png")
    own = [s for s in samples.find(str(tmp_path)) if tmp_path in s.file.parents]
    assert 16 <= len(own) <= samples.MOST
    assert {s.file.parent.name for s in own} == {"class0", "class1"}


def test_a_folder_that_cannot_be_used(tmp_path):
    with pytest.raises(SamplesError, match="no such folder"):
        samples.find(str(tmp_path / "nowhere"))
    with pytest.raises(SamplesError, match="contains no pictures"):
        samples.find(str(tmp_path))
    (tmp_path / "samples.json").write_text('[{"caption": "no file"}]')
    with pytest.raises(SamplesError, match="not a list of samples"):
        samples.find(str(tmp_path))


ROWS = [
    {"file": "one.png", "caption": "A duct", "origin": "BACH", "licence": "CC BY-NC-ND 4.0", "um_per_pixel": 0.42},
    {"file": "two.jpg", "caption": "Stroma"},
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    DALAResNet50(["x", "y"], {"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(saved):
    return models.load(saved)


@pytest.fixture
def carrying(saved, tmp_path):
    """A model's folder that carries two samples."""
    folder = shutil.copytree(saved, tmp_path / "carrying", copy_function=os.link)
    (folder / "samples").mkdir()
    for row in ROWS:
        Image.new("RGB", (64, 48), "purple").save(folder / "samples" / row["file"])
    listed(folder, ROWS)
    return folder


def listed(folder, rows):
    (folder / "samples" / "samples.json").write_text(rows if isinstance(rows, str) else json.dumps(rows))


def test_a_models_folder_carries_its_own(carrying, saved):
    first, second = samples.of(models.load(carrying))
    assert (first.caption, first.origin, first.licence, first.um_per_pixel) == (*list(ROWS[0].values())[1:],)
    assert (second.caption, second.origin, second.um_per_pixel) == ("Stroma", "", None)
    assert first.file == carrying / "samples" / "one.png"
    assert samples.of(models.load(saved)) == []
    assert samples.of(models.load()) == []


def test_a_model_of_the_hub_brings_them_at_its_commit(carrying, saved, tmp_path, monkeypatch):
    with Hub({"you/net": carrying, "you/bare": saved}) as server:
        point(monkeypatch, server.url, tmp_path / "cache")
        model, bare = models.load("you/net"), models.load("you/bare")
        found = samples.of(model)
        assert [s.caption for s in found] == ["A duct", "Stroma"]
        for sample in found:
            assert sample.file == model.folder / "samples" / sample.file.name
            assert reading.read(sample.file).size == (64, 48)
        assert samples.of(bare) == []
        assert all(f"/resolve/{COMMIT}/samples/" in path for _, path in server.requests if "samples" in path)
        asked = len(server.requests)
        assert samples.of(model) == found
        assert samples.of(bare) == []
        assert len(server.requests) == asked
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert samples.of(models.load("you/net")) == found


def test_a_hub_that_fails_in_between(carrying, tmp_path, monkeypatch):
    with Hub({"you/net": carrying}) as server:
        point(monkeypatch, server.url, tmp_path / "cache")
        model = models.load("you/net")
        with monkeypatch.context() as patched:
            patched.setattr(samples, "MOST_BYTES", 100)
            with pytest.raises(SamplesError, match=r"you/net: samples/one.png has [\d,]+ bytes, and 100 is the most"):
                samples.of(model)
        server.faults["you/net"] = Fault(429, headers={"Retry-After": "60"}, on="two.jpg")
        with pytest.raises(SamplesError, match="you/net: .* answers 429"):
            samples.of(model)
        server.faults.clear()
        assert len(samples.of(model)) == 2


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("[", "not valid JSON"),
        ("[" * 50_000, "not valid JSON"),
        ({"file": "one.png"}, "not a list of at most 24 samples"),
        ([ROWS[0]] * 25, "not a list of at most 24 samples"),
        (["one.png"], "sample 1: not an object"),
        ([ROWS[1], {"file": "one.png"}], "sample 2: not an object with file, caption and no other fields"),
        ([{**ROWS[0], "script": "x"}], "sample 1: not an object"),
        ([{**ROWS[0], "caption": 7}], "licence must be text"),
        ([{**ROWS[0], "caption": ""}], "licence must be text"),
        ([{**ROWS[0], "um_per_pixel": "0.5"}], "um_per_pixel must be a number"),
        ([{**ROWS[0], "um_per_pixel": -1}], "um_per_pixel must be a number"),
        ([{**ROWS[0], "file": "../config.png"}], "is not the plain name of a picture"),
        ([{**ROWS[0], "file": "/etc/x.png"}], "is not the plain name of a picture"),
        ([{**ROWS[0], "file": "C:\\x.png"}], "is not the plain name of a picture"),
        ([{**ROWS[0], "file": "deep/one.png"}], "is not the plain name of a picture"),
        ([{**ROWS[0], "file": ".png"}], "is not the plain name of a picture"),
        ([{**ROWS[0], "file": "samples.json"}], "is not the plain name of a picture"),
        ([{**ROWS[0], "file": "none.png"}], "names none.png, which does not exist"),
        ([{**ROWS[0], "file": "x" * 5000 + ".png"}], "cannot be read"),
        (" " * 200_000 + "[]", "larger than 100,000 bytes"),
    ],
)
@pytest.mark.parametrize("far", [False, True])
def test_a_list_of_a_model_that_cannot_be(rows, words, far, carrying, loaded, tmp_path, monkeypatch):
    listed(carrying, rows)
    if not far:
        with pytest.raises(SamplesError, match=rf"^carrying/samples/.*{words}"):
            samples.of(replace(loaded, source="carrying", folder=carrying))
        return
    folder = tmp_path / "models--you--net" / "snapshots" / COMMIT
    with Hub({"you/net": carrying}) as server:
        point(monkeypatch, server.url, tmp_path)
        with pytest.raises(SamplesError, match=r"^you/net"):
            samples.of(replace(loaded, source="you/net", revision=COMMIT, folder=folder))
        allowed = ("samples.json", "none.png", "x.png")
        assert all(path.endswith(allowed) for _, path in server.requests), "nothing but pictures beside the list"
    kept = [f.parent for f in tmp_path.rglob("*.png") if ".no_exist" not in f.parts]
    assert {*kept} <= {carrying / "samples", folder / "samples"}
