from pathlib import PurePath

import pytest
from PIL import Image

from dala.data import datasets
from dala.data.items import DataError

BREAKHIS = [
    "benign/SOB/adenosis/SOB_B_A_14-22549AB/100X/SOB_B_A-14-22549AB-100-001.png",
    "benign/SOB/adenosis/SOB_B_A_14-22549CD/100X/SOB_B_A-14-22549CD-100-001.png",
    "benign/SOB/phyllodes_tumor/SOB_B_PT_14-21998AB/40X/SOB_B_PT-14-21998AB-40-001.tif",
    "malignant/SOB/ductal_carcinoma/SOB_M_DC_14-13412/100X/SOB_M_DC-14-13412-100-001.png",
    "malignant/SOB/lobular_carcinoma/SOB_M_LC_14-13412/100X/SOB_M_LC-14-13412-100-001.jpg",
]
BACH = [
    "Photos/Benign/b001.tif",
    "Photos/InSitu/is001.tif",
    "Photos/Invasive/iv001.tif",
    "Photos/Normal/n001.tif",
    "Photos/Normal/n002.TIF",
]
MINI_DDSM = [
    "MINI-DDSM-Complete-JPEG-8/Benign/0029/C_0029_1.LEFT_CC.jpg",
    "MINI-DDSM-Complete-JPEG-8/Benign/0029/C_0029_1.LEFT_CC_Mask.jpg",
    "MINI-DDSM-Complete-JPEG-8/Benign/0029/C_0029_1.RIGHT_MLO.jpg",
    "MINI-DDSM-Complete-JPEG-8/Cancer/0029/C_0029_1.LEFT_CC.jpg",
    "MINI-DDSM-Complete-JPEG-8/Cancer/0029/C_0029_1.LEFT_CC_Mask2.jpg",
    "MINI-DDSM-Complete-JPEG-8/Normal/0003/A_0003_1.LEFT_CC.jpg",
]
IDC = [
    "8863/0/8863_idx5_x1001_y801_class0.png",
    "8863/1/8863_idx5_x1001_y851_class1.png",
    "9022/0/9022_idx5_x51_y101_class0.jpg",
]
FOLDER = ["a/one.png", "a/two.jpg", "b/deep/three.png"]
TREES = {"breakhis": BREAKHIS, "bach": BACH, "mini_ddsm": MINI_DDSM, "idc": IDC, "folder": FOLDER}


def grow(root, names):
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (200, 120, 180)).save(file)
    return root


@pytest.fixture
def tree(tmp_path):
    return lambda name: grow(tmp_path / name, TREES[name])


def rows(dataset):
    return [(i.path.name, dataset.class_names[i.label], i.patient, i.slide) for i in dataset.items]


def test_breakhis(tree):
    root = tree("breakhis")
    binary = datasets.read(root, "breakhis")
    assert binary.class_names == ["benign", "malignant"] and binary.grouped and not binary.skipped
    assert rows(binary) == [
        ("SOB_B_A-14-22549AB-100-001.png", "benign", "22549", "22549AB"),
        ("SOB_B_A-14-22549CD-100-001.png", "benign", "22549", "22549CD"),
        ("SOB_M_DC-14-13412-100-001.png", "malignant", "13412", "13412"),
        ("SOB_M_LC-14-13412-100-001.jpg", "malignant", "13412", "13412"),
    ]
    tumours = datasets.read(root, "breakhis", classes="all", magnifications=("40X", "100X"))
    assert tumours.class_names == [
        "adenosis", "fibroadenoma", "phyllodes_tumor", "tubular_adenoma",
        "ductal_carcinoma", "lobular_carcinoma", "mucinous_carcinoma", "papillary_carcinoma",
    ]  # fmt: skip
    assert [(i.label, i.magnification) for i in tumours.items] == [
        (0, "100X"), (0, "100X"), (2, "40X"), (4, "100X"), (5, "100X"),
    ]  # fmt: skip


def test_a_breakhis_name_that_contradicts_itself_is_not_used(tree):
    root = grow(tree("breakhis"), ["SOB_M_A-14-22549AB-100-009.png"])
    dataset = datasets.read(root, "breakhis")
    assert len(dataset.items) == 4
    assert [p.name for p in dataset.skipped] == ["SOB_M_A-14-22549AB-100-009.png"]


def test_bach(tree):
    root = tree("bach")
    four = datasets.read(root, "bach", classes="all")
    assert four.class_names == ["Normal", "Benign", "InSitu", "Invasive"] and not four.grouped
    assert [(i.path.name, i.label) for i in four.items] == [
        ("b001.tif", 1), ("is001.tif", 2), ("iv001.tif", 3), ("n001.tif", 0), ("n002.TIF", 0),
    ]  # fmt: skip
    assert len({i.patient for i in four.items}) == 5
    two = datasets.read(root / "Photos", "bach")
    assert two.class_names == ["non-carcinoma", "carcinoma"]
    assert [i.label for i in two.items] == [0, 1, 1, 0, 0]


def test_bach_folders_in_any_case(tmp_path):
    names = ["photos/NORMAL/n001.tif", "photos/in situ/is001.TIFF"]
    dataset = datasets.read(grow(tmp_path, names), "bach", classes="all")
    assert sorted(dataset.class_names[i.label] for i in dataset.items) == ["InSitu", "Normal"]


def test_mini_ddsm(tree):
    root = tree("mini_ddsm")
    three = datasets.read(root, "mini_ddsm", classes="all")
    assert three.class_names == ["Normal", "Benign", "Cancer"] and three.grouped
    assert [p.stem for p in three.skipped] == ["C_0029_1.LEFT_CC_Mask", "C_0029_1.LEFT_CC_Mask2"]
    assert {*three.skipped.values()} == {"A mask or another drawing of a picture, by its name."}
    assert rows(three) == [
        ("C_0029_1.LEFT_CC.jpg", "Benign", "Benign/0029", "Benign/0029"),
        ("C_0029_1.RIGHT_MLO.jpg", "Benign", "Benign/0029", "Benign/0029"),
        ("C_0029_1.LEFT_CC.jpg", "Cancer", "Cancer/0029", "Cancer/0029"),
        ("A_0003_1.LEFT_CC.jpg", "Normal", "Normal/0003", "Normal/0003"),
    ]
    two = datasets.read(root, "mini_ddsm")
    assert two.class_names == ["no cancer", "cancer"]
    assert [i.label for i in two.items] == [0, 0, 1, 0]


def test_idc(tree):
    dataset = datasets.read(tree("idc"), "idc")
    assert dataset.class_names == ["no IDC", "IDC"] and dataset.grouped
    assert [(i.label, i.patient) for i in dataset.items] == [(0, "8863"), (1, "8863"), (0, "9022")]


def test_a_plain_folder(tree):
    root = grow(tree("folder"), ["loose.png", ".hidden/x.png", "__MACOSX/a/x.png", "a/._one.png"])
    dataset = datasets.read(root, "folder")
    assert dataset.class_names == ["a", "b"] and not dataset.grouped
    assert [(i.label, i.patient) for i in dataset.items] == [
        (0, "a/one.png"),
        (0, "a/two.jpg"),
        (1, "b/deep/three.png"),
    ]
    assert dataset.skipped == {root / "loose.png": "It lies in no class folder."}


@pytest.mark.parametrize("name", TREES)
def test_every_example_follows_its_own_layout(name):
    layout = datasets.FORMATS[name]
    assert layout.parse(PurePath(layout.example))


@pytest.mark.parametrize("name", [n for n in TREES if n != "folder"])
def test_another_layout_is_refused_with_an_example(name, tmp_path):
    grow(tmp_path, ["x/one.png", "y/two.png"])
    with pytest.raises(DataError, match=f"none of 2 pictures follows the layout of {name}, such as .*/"):
        datasets.read(tmp_path, name)


@pytest.mark.parametrize(("options", "sentence"), [
    ({"format": "camelyon"}, "no format named 'camelyon': use breakhis, bach, mini_ddsm, idc, folder"),
    ({"classes": "five"}, "no set of classes named 'five': use binary, all"),
    ({"magnifications": ("100X", "400X")}, "no pictures at 400X; there are 40X, 100X"),
    ({"magnifications": ()}, "at least one magnification: 40X, 100X"),
    ({"magnifications": ("40X",)}, "at least two classes need pictures, and only benign has any"),
])  # fmt: skip
def test_refusals_of_breakhis(options, sentence, tree):
    with pytest.raises(DataError, match=sentence):
        datasets.read(tree("breakhis"), **({"format": "breakhis"} | options))


def test_refusals_of_folders(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        datasets.read(tmp_path / "nowhere", "folder")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match="no such folder"):
        datasets.read(tmp_path / "notes.txt", "folder")
    with pytest.raises(DataError, match="no pictures in or below"):
        datasets.read(tmp_path, "folder")
    with pytest.raises(DataError, match="only a has any"):
        datasets.read(grow(tmp_path, ["a/one.png"]), "folder")


def test_groups_name_the_patients(tree):
    root = tree("bach")
    rows = ["picture,patient,slide", "b001.tif,P1,S1", "Photos/InSitu/is001.tif,P1,S2"]
    rows += ["iv001.tif,P2,", "n001.tif, P3 ,S4", "n002.TIF,P3,S4"]
    (root / "groups.csv").write_text("\n".join(rows), encoding="utf-8-sig")
    dataset = datasets.read(root, "bach")
    assert dataset.grouped
    assert [(i.patient, i.slide) for i in dataset.items] == [
        ("P1", "S1"), ("P1", "S2"), ("P2", "P2"), ("P3", "S4"), ("P3", "S4"),
    ]  # fmt: skip


@pytest.mark.parametrize(("table", "sentence"), [
    ("one.png,P1\n", "must name the columns picture,patient"),
    ("", "must name the columns picture,patient"),
    ("picture,patient\na/one.png,P1\n", "2 pictures have no row, the first of them a/two.jpg"),
    ("picture,patient\nnone.png,P1\n", "line 2: there is no picture 'none.png'"),
    ("picture,patient\none.png,P1\na/one.png,P1\n", "line 3: a/one.png has a second row"),
    ("picture,patient\none.png\n", "line 2: one.png has no patient"),
    (b"picture,patient\none.png,\xff\n", "save it as a CSV file in UTF-8"),
])  # fmt: skip
def test_bad_groups_are_refused(table, sentence, tree):
    root = tree("folder")
    (root / "groups.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(DataError, match=sentence):
        datasets.read(root, "folder")


def test_a_file_name_that_two_pictures_bear_needs_its_path(tmp_path):
    root = grow(tmp_path, ["a/one.png", "b/one.png"])
    (root / "groups.csv").write_text("picture,patient\none.png,P1\n")
    with pytest.raises(DataError, match="line 2: 2 pictures are named one.png; give its path"):
        datasets.read(root, "folder")
    (root / "groups.csv").write_text("picture,patient\na/one.png,P1\nb/one.png,P2\n")
    assert [i.patient for i in datasets.read(root, "folder").items] == ["P1", "P2"]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_cannot_be_decoded_is_set_aside_with_a_sentence(workers, tree, broken_file):
    root = tree("folder")
    (root / "a" / "broken.png").write_bytes(broken_file.read_bytes())
    (root / "b" / "text.jpg").write_text("no picture")
    (root / "b" / "empty.tif").touch()
    dataset = datasets.read(root, "folder")
    assert len(dataset.items) == 6 and not dataset.skipped
    sound = datasets.readable(dataset, workers)
    assert [i.path.name for i in sound.items] == ["one.png", "two.jpg", "three.png"]
    sentences = {p.name: s for p, s in sound.skipped.items()}
    assert sentences["empty.tif"] == "The file is empty."
    assert "damaged" in sentences["broken.png"] and "not a picture" in sentences["text.jpg"]


def test_values_keep_the_order_of_the_pictures(tmp_path):
    for n in range(20):
        (tmp_path / "ab"[n % 2]).mkdir(exist_ok=True)
        Image.new("RGB", (40 + n, 40)).save(tmp_path / "ab"[n % 2] / f"{n:02}.png")
    dataset, widths = datasets.decode(datasets.read(tmp_path, "folder"), lambda picture: picture.width, workers=3)
    assert widths == [40 + int(i.path.stem) for i in dataset.items]


def test_a_class_that_cannot_be_decoded_is_a_refusal(tree):
    root = tree("folder")
    (root / "b" / "deep" / "three.png").write_text("no picture")
    with pytest.raises(DataError, match="1 pictures cannot be read, and fewer than two classes are left: .*three.png"):
        datasets.readable(datasets.read(root, "folder"))


@pytest.mark.real_data
def test_the_real_breakhis(real_patches):
    dataset = datasets.read(real_patches[0].parents[6], "breakhis", classes="all")
    assert len(dataset.items) == 429 and len({i.patient for i in dataset.items}) == 26 and not dataset.skipped


@pytest.mark.real_data
def test_the_real_idc(real_patches):
    root = real_patches[0].parents[8] / "IDC_regular_ps50_idx5"
    if not root.is_dir():
        pytest.skip("the IDC patches are not here")
    dataset = datasets.read(root, "idc")
    assert not dataset.skipped and {i.label for i in dataset.items} == {0, 1}
    assert all(i.path.parts[-3:-1] == (i.patient, str(i.label)) for i in dataset.items)
