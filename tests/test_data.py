import numpy as np
import pytest
from PIL import Image

from dala import data
from dala.data import DataError, Item, LeakageError

NAMES = [
    "benign/SOB/adenosis/SOB_B_A_14-22549AB/100X/SOB_B_A-14-22549AB-100-001.png",
    "benign/SOB/adenosis/SOB_B_A_14-22549CD/100X/SOB_B_A-14-22549CD-100-001.png",
    "benign/SOB/adenosis/SOB_B_A_14-22549CD/40X/SOB_B_A-14-22549CD-40-001.png",
    "benign/SOB/tubular_adenoma/SOB_B_TA_14-3411F/100X/SOB_B_TA-14-3411F-100-002.png",
    "malignant/SOB/ductal_carcinoma/SOB_M_DC_14-13412/100X/SOB_M_DC-14-13412-100-001.png",
    "malignant/SOB/lobular_carcinoma/SOB_M_LC_14-13412/100X/SOB_M_LC-14-13412-100-001.png",
    "malignant/SOB/papillary_carcinoma/SOB_M_PC_15-190EF/100X/SOB_M_PC-15-190EF-100-004.jpg",
]


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "BreaKHis_v1"
    for name in NAMES:
        file = root / "histology_slides" / "breast" / name
        file.parent.mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(file)
    (root / "README.txt").write_text("no picture")
    return root


def test_breakhis_by_magnification_and_numeric_root(tree):
    items, names = data.breakhis(tree)
    assert names == ["benign", "malignant"]
    assert [(i.label, i.patient, i.slide) for i in items] == [
        (0, "22549", "22549AB"), (0, "22549", "22549CD"), (0, "3411", "3411F"),
        (1, "13412", "13412"), (1, "13412", "13412"), (1, "190", "190EF"),
    ]  # fmt: skip
    assert len(data.breakhis(tree, "40X")[0]) == 1
    with pytest.raises(DataError, match="no BreakHis pictures at 400X"):
        data.breakhis(tree, "400X")


def test_a_plain_folder(tree, tmp_path):
    root = tmp_path / "plain"
    for name in ("b/one.png", "a/two.png", "a/three.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40)).save(root / name)
    items, names = data.folder(root)
    assert names == ["a", "b"]
    assert [(i.label, i.patient) for i in items] == [(0, "a/three.jpg"), (0, "a/two.png"), (1, "b/one.png")]
    for wrong in (root / "a", root / "nowhere"):
        with pytest.raises(DataError, match="one sub-folder with pictures per class"):
            data.folder(wrong)


def some(patients=8, pictures=5):
    return [
        Item(f"{label}-{p}-{i}.png", label, f"{label}{p}", f"{label}{p}")
        for label in (0, 1)
        for p in range(patients)
        for i in range(pictures + 9 * (p == 0))
    ]


def test_leakage_is_named():
    items = some(2)
    with pytest.raises(LeakageError, match="00"):
        data.assert_disjoint(items[:3], items[2:])


def test_classes_and_patients_are_drawn_equally_often():
    items = some(4)[:-7]
    weights = data.balanced_weights(items)
    assert weights.sum() == pytest.approx(1)
    for label in (0, 1):
        mine = np.array([i.label == label for i in items])
        assert weights[mine].sum() == pytest.approx(0.5)
        patients = {i.patient for i in items if i.label == label}
        for patient in patients:
            share = sum(w for i, w in zip(items, weights, strict=True) if i.patient == patient)
            assert share == pytest.approx(0.5 / len(patients))


@pytest.mark.real_data
def test_the_real_tree(real_patches):
    root = real_patches[0].parents[6]
    items, _ = data.breakhis(root)
    assert len(items) == 429
    assert len({i.patient for i in items}) == 26
    assert len({i.slide for i in items}) > 26
