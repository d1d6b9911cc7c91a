import json

import pytest
from PIL import Image

from dala import images, samples
from dala.samples import SamplesError


def test_the_shipped_ones_tell_what_and_whence():
    found = samples.find()
    assert sum("Phantom" in s.caption for s in found) >= 2
    real = [s for s in found if "Real" in s.caption]
    assert len(real) >= 2
    assert all("not breast" in s.caption for s in real)
    for sample in found:
        assert sample.origin
        assert sample.licence
        assert min(images.read(sample.file).size) >= 32


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
    with pytest.raises(SamplesError, match="holds no pictures"):
        samples.find(str(tmp_path))
    (tmp_path / "samples.json").write_text('[{"caption": "no file"}]')
    with pytest.raises(SamplesError, match="not a list of samples"):
        samples.find(str(tmp_path))
