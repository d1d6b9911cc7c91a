"""Pictures of real tissue: fields at two scales, with their masks; malignant regions; and a real field."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dala.benchmark import tissue_maps, tissue_sets
from dala.data.items import DataError
from dala.hub.tissue_maps import AUC, STAIN_ON_GRID
from dala.phantoms import phantom

BCSS = Path(__file__).resolve().parents[3] / "shared" / "data" / "external" / "BCSS" / "rois"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A field of 512 x 384 px whose right half is tumour, and a picture without a mask."""
    picture = phantom.make(3, size=(128, 96)).picture.resize((512, 384))
    picture.save(tmp_path / "7.png")
    picture.save(tmp_path / "8.png")
    mask = np.zeros((384, 512), np.uint8)
    mask[:, 256:] = 255
    Image.fromarray(mask).save(tmp_path / "7_tumourmask.png")
    return tmp_path


def test_a_field_is_one_picture_and_parts_of_the_size_of_a_patch(small, folder):
    fields = tissue_sets.field_files(folder)
    assert [f.picture.name for f in fields] == ["7.png"]
    (whole,) = tissue_sets.whole_fields(small, fields)
    assert whole.explanation.picture.size == (128, 96) and whole.group == "7"
    assert not whole.mask[:, :64].any() and whole.mask[:, 64:].all()
    parts = tissue_sets.crops(small, fields)
    assert [p.explanation.picture.size for p in parts] == [(128, 96)] * 4
    assert [float(p.mask.double().mean()) for p in parts] == [0, 1, 0, 1]
    assert {p.explanation.target for p in (whole, *parts)} == {"malignant"}


def test_only_malignant_regions_are_explained(small, tmp_path, patch):
    for name in ("benign", "malignant", "atypical"):
        (tmp_path / name).mkdir()
        patch.save(tmp_path / name / f"{name}.png")
    (case,) = tissue_sets.regions(small, tmp_path)
    assert case.group == "malignant/malignant.png" and case.mask is None


def test_what_cannot_be_used_is_refused_in_one_sentence(small, folder, patch):
    with pytest.raises(DataError, match="no such folder"):
        tissue_sets.field_files(folder / "nowhere")
    Image.new("L", (64, 64)).save(folder / "8_tumourmask.png")
    with pytest.raises(DataError, match="have to be equal"):
        tissue_sets.whole_fields(small, tissue_sets.field_files(folder)[1:])
    (folder / "7_tumourmask.png").unlink()
    (folder / "8_tumourmask.png").unlink()
    with pytest.raises(DataError, match="no picture NAME.jpg with a mask"):
        tissue_sets.field_files(folder)
    for name in ("lesion", "normal"):
        (folder / "classes" / name).mkdir(parents=True)
        patch.save(folder / "classes" / name / "1.png")
    with pytest.raises(DataError, match="no pictures of a class named malignant; there are lesion, normal"):
        tissue_sets.regions(small, folder / "classes")


@pytest.mark.real_data
def test_stain_ranks_tumour_above_the_rest_in_a_real_field(small):
    if not BCSS.is_dir():
        pytest.skip("the BCSS fields are not here")
    fields = tissue_sets.field_files(BCSS)
    assert len(fields) == 3
    rows = tissue_maps.measure(tissue_sets.crops(small, fields[:1])[:4]).rows
    assert rows[STAIN_ON_GRID][AUC][0] > 0.6
