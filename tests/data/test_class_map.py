import pytest

from dala.data import class_map, datasets
from dala.data.items import DataError
from tests.support.labelled import place

NAMES = ["benign", "malignant"]


def test_options_become_a_map():
    assert class_map.parse(["Tumor=malignant", " In situ = malignant", "Necrosis="]) == {
        "Tumor": "malignant", "In situ": "malignant", "Necrosis": None,
    }  # fmt: skip


@pytest.mark.parametrize(("texts", "words"), [(["Tumor"], "write FINEST=CLASS"), (["a=b", "a=c"], "names a twice")])
def test_options_that_are_no_map(texts, words):
    with pytest.raises(DataError, match=words):
        class_map.parse(texts)


def test_a_map_gives_classes_in_its_order_and_leaves_out(tmp_path):
    root = place(tmp_path, {"Tumor": 2, "Fat": 1, "Stroma": 1, "Necrosis": 3})
    mapped = {"Tumor": "malignant", "Necrosis": None, "Stroma": "benign", "Fat": "benign"}
    dataset = datasets.read(root, "folder", classes=mapped)
    assert dataset.class_names == ["malignant", "benign"] and not dataset.skipped
    assert [(i.path.parent.name, i.label) for i in dataset.items] == [
        ("Fat", 1), ("Stroma", 1), ("Tumor", 0), ("Tumor", 0),
    ]  # fmt: skip
    other = datasets.read(root, "folder", classes=mapped, class_names=NAMES)
    assert [i.label for i in other.items] == [0, 0, 1, 1]


def test_a_picture_that_is_left_out_may_have_a_row_in_the_groups(tmp_path):
    root = place(tmp_path, {"Tumor": 1, "Fat": 1, "Necrosis": 1})
    (root / "groups.csv").write_text("picture,patient\nTumor/0.png,P1\nFat/0.png,P2\nNecrosis/0.png,P3\n")
    dataset = datasets.read(root, "folder", classes={"Tumor": "b", "Fat": "a", "Necrosis": None})
    assert {i.patient for i in dataset.items} == {"P1", "P2"} and dataset.grouped


@pytest.mark.parametrize(
    ("classes", "names", "words"),
    [
        ({"Tumor": "malignant"}, None, "no map names Fat: map each to malignant"),
        (
            "binary",
            ["benign", "malignant"],
            "no map names Fat, Tumor: map each to benign or malignant .--map Fat=CLASS",
        ),
        (
            {"Tumor": "bad", "Fat": "benign"},
            ["benign", "malignant"],
            "no map names bad, and the classes are benign and",
        ),
        ({"Tumor": "malignant", "Fat": "benign", "Bone": "benign"}, None, "names Bone, which has no pictures"),
        ({"Tumor": "malignant", "Fat": None}, None, "only malignant has any"),
    ],
)
def test_refusals(tmp_path, classes, names, words):
    with pytest.raises(DataError, match=words):
        datasets.read(place(tmp_path, {"Tumor": 1, "Fat": 1}), "folder", classes=classes, class_names=names)


def test_the_classes_of_a_layout_need_a_map_to_be_others(tmp_path):
    root = tmp_path / "9" / "0"
    for kind in "01":
        place(tmp_path, {f"9/{kind}": 1}, name="9_idx5_x{}_y1_class" + kind)
    with pytest.raises(DataError, match="no map names no IDC, and the classes are benign and malignant: map 0, 1 to"):
        datasets.read(root.parents[1], "idc", class_names=NAMES)
