"""Trees of files as people have them -> classes, patients, splits, what is left out; or a sentence."""

# ruff: noqa: E501  a tree a line is easier to read

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from dala.data import datasets, given_splits
from dala.data.items import DataError


def draw(file, seed=None):
    rng = np.random.default_rng(seed if seed is not None else list(str(file.name).encode()))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((40, 40)).save(file)


def grow(root, names):
    """Write pictures, tables ("name.csv": text) and empty folders ("name/")."""
    for name in names:
        if isinstance(name, tuple):
            file = root / name[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(name[1] if isinstance(name[1], bytes) else name[1].encode())
        elif name.endswith("/"):
            (root / name).mkdir(parents=True)
        else:
            draw(root / name)
    return root


def each(pattern, *values):
    """Every combination: each("{}/{}.png", "ab", range(2))."""
    result = [()]
    for group in values:
        result = [(*r, v) for r in result for v in group]
    return [pattern.format(*r) for r in result]


BM = ("benign", "malignant")
SPLITS = ("train", "val", "test")
TUMOURS = ("B_A-14-22549AB", "B_F-14-9133", "M_DC-14-2523", "M_LC-14-12204")
PCAM = "id,label\n" + "".join(f"{i:02x},{i % 2}\n" for i in range(4))

# name: (format, files, pictures by class, patients or None, sizes of the given split's sides or None, left out)
TREES = {
    "flat": ("folder", each("{}/{}.png", BM, range(3)), {"benign": 3, "malignant": 3}, None, None, 0),
    "unknown words": ("folder", each("{}/{}.png", ("Stroma", "Fat"), range(2)), {"Fat": 2, "Stroma": 2}, None, None, 0),
    "split above": ("folder", each("{}/{}/{}.png", SPLITS, BM, range(2)), {"benign": 6, "malignant": 6}, None,
                    {"train": 4, "val": 4, "test": 4}, 0),
    "split above, in other words": ("folder", each("{}/{}/{}.png", ("Training_Set", "VALID", "Testing"), "ab", range(2)),
                                    {"a": 6, "b": 6}, None, {"train": 4, "val": 4, "test": 4}, 0),
    "prefixed split": ("folder", each("my_{}/{}/{}.png", ("train", "test"), "ab", range(2)), {"a": 4, "b": 4}, None,
                       {"train": 4, "test": 4}, 0),
    "split below": ("folder", each("{}/{}/{}.png", BM, ("train", "dev"), range(2)), {"benign": 4, "malignant": 4}, None,
                    {"train": 4, "val": 4}, 0),
    "one side alone": ("folder", each("train/{}/{}.png", BM, range(2)), {"benign": 2, "malignant": 2}, None, None, 0),
    "wrapped": ("folder", each("archive/data/{}/{}/{}.png", ("train", "test"), BM, range(2)),
                {"benign": 4, "malignant": 4}, None, {"train": 4, "test": 4}, 0),
    "BRACS": ("folder", each("latest/{}/{}/{}.png", SPLITS, ("0_N", "1_PB", "6_IC"), range(1)),
              {"0_N": 3, "1_PB": 3, "6_IC": 3}, None, {"train": 3, "val": 3, "test": 3}, 0),
    "folds": ("folder", each("fold{}/{}/{}.png", range(3), "ab", range(2)), {"a": 6, "b": 6}, None,
              {"fold0": 4, "fold1": 4, "fold2": 4}, 0),
    "patients above": ("folder", each("patient{}/{}/0.png", range(3), BM), {"benign": 3, "malignant": 3}, 3, None, 0),
    "patients of one class": ("folder", ["P1/benign/0.png", "P2/malignant/0.png", "P3/benign/0.png"],
                              {"benign": 2, "malignant": 1}, 3, None, 0),
    "groups of classes above": ("folder", [f"{s}/Group_{g}/{c}/1_{s}.png" for s in ("train", "val")
        for g, c in (("BT", "0_N"), ("BT", "1_PB"), ("MT", "6_IC"))], {"0_N": 2, "1_PB": 2, "6_IC": 2}, None,
        {"train": 3, "val": 3}, 0),
    "numbered patients": ("folder", each("{}/{}/0.png", (1, 2, 3), BM), {"benign": 3, "malignant": 3}, 3, None, 0),
    "IDC as a folder": ("folder", each("{}/{}/x.png", (8863, 9022, 9035), "01"), {"0": 3, "1": 3}, 3, None, 0),
    "split, patient, class": ("folder", each("{}/p{}/{}/1.png", ("train", "test"), (1, 2), BM),
                              {"benign": 4, "malignant": 4}, 2, {"train": 4, "test": 4}, 0),
    "finer classes below": ("folder", ["benign/adenosis/1.png", "benign/fibroadenoma/1.png", "malignant/ductal/1.png"],
                            {"benign": 2, "malignant": 1}, None, None, 0),
    "magnifications above": ("folder", each("{}X/{}/1.png", (40, 100), BM), {"benign": 2, "malignant": 2}, None, None, 0),
    "images below": ("folder", each("{}/images/{}.png", ("x", "y"), range(2)), {"x": 2, "y": 2}, None, None, 0),
    "PCam": ("folder", [*each("train/{:02x}.png", range(4)), *each("test/{:02x}.png", range(8, 11)),
                        ("train_labels.csv", PCAM), ("sample_submission.csv", "id,label\n08,0\n")],
             {"0": 2, "1": 2}, None, None, 3),
    "PCam with suffixes": ("folder", [*each("train/{:02x}.png", range(4)), ("labels.csv", PCAM.replace(",0", ".tif,0"))],
                           {"0": 2, "1": 2}, None, None, 0),
    "metadata": ("folder", [*each("HAM_images_part_{}/{}.png", (1, 2), ("a", "b")),
                            ("metadata.csv", "lesion_id,image_id,dx\n"
                             "L1,HAM_images_part_1/a,nv\nL1,HAM_images_part_1/b,nv\n"
                             "L2,HAM_images_part_2/a,mel\nL3,HAM_images_part_2/b,mel\n")],
                 {"mel": 2, "nv": 2}, 3, None, 0),
    "a table a split": ("folder", [*each("images/{}.png", range(4)), ("train.csv", "image;class\n0.png;a\n1.png;b\n"),
                                   ("test.csv", "image;class\n2.png;a\n3.png;b\n")],
                        {"a": 2, "b": 2}, None, {"train": 2, "test": 2}, 0),
    "a table for each folder of one name": ("folder", [*each("{}/{}.png", ("train", "test"), range(2)),
                                                       *((f"{s}.csv", "id,label\n0,a\n1,b\n") for s in ("train", "test"))],
                                            {"a": 2, "b": 2}, None, {"train": 2, "test": 2}, 0),
    "patients with gaps": ("folder", [*each("i/{}.png", range(3)), ("t.csv", "image,label,patient\n0,a,P\n1,a,\n2,b,Q\n")],
                           {"a": 2, "b": 1}, None, None, 0),
    "a side without classes": ("folder", [*each("train/{}/1.png", BM), "test/1.png"], {"benign": 1, "malignant": 1}, None,
                               None, 1),
    "a split in the table": ("folder", [*each("i/{}.png", range(4)), ("all.tsv", "File\tDiagnosis\tPatient ID\tSplit\n"
                                        "0.png\ta\tP0\ttrain\n1.png\tb\tP1\ttrain\n2.png\ta\tP2\ttest\n3.png\tb\tP3\ttest\n")],
                             {"a": 2, "b": 2}, 4, {"train": 2, "test": 2}, 0),
    "Roboflow, one-hot": ("folder", [*each("{}/{}.png", ("train", "valid"), range(2)),
                                     *((f"{s}/_classes.csv", "filename, benign, malignant\r\n0.png, 1, 0\r\n1.png, 0, 1\r\n")
                                       for s in ("train", "valid"))],
                          {"benign": 2, "malignant": 2}, None, {"train": 2, "val": 2}, 0),
    "Roboflow, boxes": ("folder", [*each("{}/{}.png", ("train", "test"), range(2)),
                                   *((f"{s}/_annotations.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n"
                                      "0.png,40,40,a,1,1,9,9\n0.png,40,40,a,3,3,9,9\n1.png,40,40,b,1,1,9,9\n")
                                     for s in ("train", "test"))],
                        {"a": 2, "b": 2}, None, {"train": 2, "test": 2}, 0),
    "BUSI": ("folder", [*each("{0}/{0} ({1}).png", ["benign"], range(3)), *each("{0}/{0} ({1}).png", ["normal"], range(3)),
                        *each("{0}/{0} ({1})_mask.png", ["benign"], range(3)), "benign/benign (1)_mask_1.png"],
             {"benign": 3, "normal": 3}, None, None, 4),
    "drawings": ("folder", [*each("{}/x{}.png", BM, range(2)), *each("{}/x{}_{}.png", BM, range(2), ("seg", "overlay")),
                            "benign/mask/x0.png", "masks/benign/x1.png", "malignant/x1_tumourmask.png"],
                 {"benign": 2, "malignant": 2}, None, None, 11),
    "a name that ends like a mask": ("folder", ["a/left_roi.png", "a/label_1.png", "b/x.png"], {"a": 2, "b": 1}, None,
                                     None, 0),
    "what systems leave": ("folder", [*each("{}/1.png", BM), "benign/._1.png", "__MACOSX/benign/1.png",
                                      ".ipynb_checkpoints/a/1.png", ("benign/Thumbs.db", "x"), "@eaDir/1.png/thumb.jpg"],
                           {"benign": 1, "malignant": 1}, None, None, 1),
    "BACH beside a note": ("bach", ["Photos/Benign/b1.png", "Photos/Invasive/i1.png", "Photos/read_me.png"],
                           {"non-carcinoma": 1, "carcinoma": 1}, None, None, 1),
    "BACH, split": ("bach", each("{}/{}/x{}.png", ("train", "test"), ("Benign", "Invasive"), range(2)),
                    {"non-carcinoma": 4, "carcinoma": 4}, None, {"train": 4, "test": 4}, 0),
    "Mini-DDSM twice": ("mini_ddsm", [f"MINI-DDSM-Complete-{e}/{k}/{c}/C_{c}_1.LEFT_CC.{e[:3].lower().replace('jpe', 'jpg')}"
                                      for e in ("JPEG-8", "PNG-16") for k in ("Benign", "Cancer") for c in ("0003", "0029")],
                        {"no cancer": 2, "cancer": 2}, 4, None, 4),
    "mkfold": ("breakhis", [*each("fold{}/train/100X/SOB_{}-100-001.png", (1, 2), TUMOURS[:2]),
                            *each("fold{}/test/100X/SOB_{}-100-001.png", (1, 2), TUMOURS[2:])],
               {"benign": 2, "malignant": 2}, 4, {"train": 2, "test": 2}, 4),
    "Kaggle's 400X": ("breakhis", [*each("train/x/SOB_{}-100-001.png", TUMOURS), "test/x/SOB_B_A-14-7-100-001.png"],
                      {"benign": 3, "malignant": 2}, 5, {"train": 4, "test": 1}, 0),
    "Folds.csv": ("breakhis", [*each("BreaKHis_v1/x/SOB_{}-100-001.png", TUMOURS), ("Folds.csv", "fold,mag,grp,filename\n"
                               + "".join(f"{f},100,{'test' if (f + k) % 2 else 'train'},"
                                         f"BreaKHis_v1/histology_slides/breast/x/SOB_{t}-100-001.png\n"
                                         for f in (1, 2) for k, t in enumerate(TUMOURS)))],
                  {"benign": 2, "malignant": 2}, 4, {"train": 2, "test": 2}, 0),
    "dsfold": ("breakhis", [*each("x/SOB_{}-100-001.png", TUMOURS), *((f"dsfold{f}.txt", "".join(
        f"SOB_{t}-100-001.png|100|1|{'test' if (f + k) % 2 else 'train'}\n" for k, t in enumerate(TUMOURS))) for f in (1, 2))],
               {"benign": 2, "malignant": 2}, 4, {"train": 2, "test": 2}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_explained(name, tmp_path):
    format, files, classes, patients, sides, left_out = TREES[name]
    found = datasets.read(grow(tmp_path, files), format)
    assert Counter(found.class_names[i.label] for i in found.items) == classes
    assert (len({i.patient for i in found.items}) if found.grouped else None) == patients
    assert len(found.skipped) == left_out and all(found.skipped.values())
    assert [dict(Counter(one.partitions[0].values())) for one in found.given] == ([sides] if sides else [])


# name: (format, files, words of the sentence, words of the hint for the command line)
REFUSED = {
    "no classes": ("folder", each("{}/{}.png", ("train", "test"), range(3)), "lie in no class folders, and no table", ""),
    "a side among classes": ("folder", each("{}/{}.png", (*BM, "test"), range(2)), "test is by its name a part of a split",
                             ""),
    "a split beside a folder": ("folder", each("{}/{}/1.png", ("train", "test", "extra"), BM),
                                "test, train is by its name a part of a split, and extra lies beside it", ""),
    "which are the classes": ("folder", each("{}/{}/1.png", ("x", "y"), ("u", "v")), "which folders are the classes", ""),
    "a wrapper of unknown words": ("folder", each("all/{}/1.png", "xy"), "lies alone above the folders x, y", ""),
    "one class": ("folder", each("benign/p{}/1.png", range(3)), "at least two classes need pictures", ""),
    "case": ("folder", each("{}/1.png", ("Benign", "benign", "malignant")), "Benign and benign differ by case alone",
             "--map Benign=benign"),
    "space": ("folder", each("{}/1.png", ("benign", "benign ", "malignant")), "differ by spaces alone", ""),
    "masks alone": ("folder", each("{}/{}_mask.png", BM, range(2)), "no pictures .*4 are masks", ""),
    "a table without a header": ("folder", ["i/1.png", "i/2.png", ("labels.csv", "1.png,a\n2.png,b\n")],
                                 "first line of labels.csv does not name columns", ""),
    "two labels": ("folder", ["1.png", "2.png", ("x.csv", "id,label\n1,a\n1,b\n2,a\n")], "1.png is labelled b, and before a",
                   ""),
    "several classes": ("folder", ["1.png", "2.png", ("x.csv", "id,a,b\n1,1,1\n2,1,0\n")], "line 2: 1 has 2 classes", ""),
    "BACH as BreakHis": ("breakhis", ["Photos/Benign/b1.png", "Photos/Invasive/i1.png"], "2 follow that of bach",
                         "--format bach"),
    "classes as BreakHis": ("breakhis", each("{}/1.png", BM), "2 follow that of folder", "--format folder"),
    "another magnification": ("breakhis", [f"x/SOB_{t}-400-001.png" for t in TUMOURS], "no pictures at 100X; there are 400X",
                              "--magnification 400X"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_tree_that_cannot_be_explained_is_refused(name, tmp_path):
    format, files, words, hint = REFUSED[name]
    with pytest.raises(DataError, match=words) as caught:
        datasets.read(grow(tmp_path, files), format)
    assert hint in caught.value.hint and "--" not in str(caught.value)


@pytest.mark.parametrize("side", SPLITS)
def test_classes_are_those_of_image_folder(side, tmp_path):
    found = datasets.read(grow(tmp_path, TREES["split above"][1]), "folder")
    oracle = ImageFolder(str(tmp_path / side))
    assert found.class_names == oracle.classes
    (given,) = found.given
    own = {(str(i.path), i.label) for i in found.items if given.partitions[0][i.path] == side}
    assert own == set(oracle.samples)


def test_what_else_was_found_is_said(tmp_path):
    found = datasets.read(
        grow(tmp_path, [*each("{}/{}.png", BM, "12"), "normal/", ("x.dcm", ""), "benign/p1/3.png", "benign/p2/3.png"]),
        "folder",
    )
    text = " ".join(found.notes)
    assert "Folders without any picture: normal." in text and ".dcm 1" in text
    assert "Folders below the classes, p1, p2, are not used" in text and "groups.csv" in text


def test_copies_of_a_picture_are_read_once(tmp_path):
    root = grow(tmp_path, each("{}/{}.png", BM, range(2)))
    Image.open(root / "benign" / "0.png").save(root / "benign" / "0.jpg", quality=95)
    draw(root / "benign" / "1.jpg", seed=7)  # another picture of that name
    (root / "benign" / "link.png").symlink_to(root / "benign" / "1.png")
    found = datasets.read(root, "folder")
    assert {p.name for p in found.skipped} == {"0.png", "link.png"} and len(found.items) == 5


def test_folders_behind_links_are_read(tmp_path):
    elsewhere = grow(tmp_path / "elsewhere", each("{}.png", range(3)))
    root = grow(tmp_path / "root", ["malignant/1.png"])
    (root / "benign").symlink_to(elsewhere)
    (root / "malignant" / "loop").symlink_to(root)
    assert Counter(i.label for i in datasets.read(root, "folder").items) == {0: 3, 1: 1}


@pytest.mark.parametrize(
    "table",
    [
        "picture;patient\n1.png;P1\n2.png;P2\n",
        "Image\tPatient ID\r\n1.png\tP1\r\n2.png\tP2\r\n",
        '\ufeff"picture","patient"\n"1.png","P1"\n"2.png","P2"\n',
        "sep=;\nfilename;subject\n1.png;P1\n2.png;P2\n",
        "picture,patient\nbenign\\1.png,P1\n./malignant/2.png,P2\nbenign/1_mask.png,P1\n",
        "picture,patient\n1.png,P1\n\n2.png,P2\n".encode("utf-16"),
    ],
)
def test_groups_as_programs_write_them(table, tmp_path):
    root = grow(tmp_path, ["benign/1.png", "malignant/2.png", "benign/1_mask.png", ("groups.csv", table)])
    found = datasets.read(root, "folder")
    assert found.grouped and [i.patient for i in found.items] == ["P1", "P2"]


def split_of(root, format, by_image=False):
    found = datasets.read(root, format)
    return found, given_splits.split(found.given[0], found.items, by_image)


def test_test_is_held_out_and_val_trained_on(tmp_path):
    found, split = split_of(grow(tmp_path, TREES["split above"][1]), "folder")
    train, held = split.sides(found.items, 0, 0)
    assert {i.path.parts[-3] for i in held} == {"test"} and {i.path.parts[-3] for i in train} == {"train", "val"}
    assert split.protocol == "holdout" and "train" in split.given


def test_every_fold_is_held_out_once(tmp_path):
    found, split = split_of(grow(tmp_path, TREES["folds"][1]), "folder")
    assert split.protocol == "patient"
    for k, fold in enumerate(split.partitions[0]):
        assert {i.path.parts[-3] for i in found.items if i.patient in fold} == {f"fold{k}"}


@pytest.mark.parametrize("name", ["Folds.csv", "dsfold", "mkfold"])
def test_every_fold_of_breakhis_is_a_partition(name, tmp_path):
    found, split = split_of(grow(tmp_path, TREES[name][1]), "breakhis")
    assert len(split.partitions) == 2 and split.protocol == "holdout"
    held = [{i.path.name for i in split.sides(found.items, p, 0)[1]} for p in (0, 1)]
    if name == "mkfold":
        assert held[0] == held[1] == {f"SOB_{t}-100-001.png" for t in TUMOURS[2:]}
    else:
        assert held == [{f"SOB_{t}-100-001.png" for t in TUMOURS[k::2]} for k in (0, 1)]


def test_a_patient_on_both_sides_is_refused_with_counts(tmp_path):
    root = grow(tmp_path, [*TREES["Kaggle's 400X"][1], "test/x/SOB_M_DC-14-2523-100-002.png"])
    with pytest.raises(
        DataError, match=re.escape("1 of 5 patients on both sides (2523), with 1 of 2 held-out")
    ) as caught:
        split_of(root, "breakhis")
    assert caught.value.hint == "--split patient without --split-file, or --split given-by-image"
    found, split = split_of(root, "breakhis", by_image=True)
    assert split.protocol == "image" and len(split.sides(found.items, 0, 0)[1]) == 2


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("picture,fold\n0.png,1\n1.png,2\n", "does not name 2 of 4 pictures"),
        ("picture,fold\nx.png,1\n", "none of its rows names a picture"),
        ("picture,fold\n0.png,1\n0.png,2\n", "puts 0.png into 1 and into 2"),
        ("picture,fold\n0.png,1\n1.png,1\n2.png,1\n3.png,1\n", "on one side"),
        ("picture,colour\n0.png,1\n", "no column of folds or sides"),
        ("what,fold\n0.png,1\n", "no column of pictures or patients"),
        ("picture,patient,split\n0.png,P1,train\n3,P1,test\n", "does not name 2"),
    ],
)
def test_tables_of_splits_that_are_refused(table, words, tmp_path):
    root = grow(tmp_path / "set", ["a/0.png", "a/1.png", "b/2.png", "b/3.png"])
    (tmp_path / "split.csv").write_text(table)
    items = datasets.read(root, "folder").items
    with pytest.raises(DataError, match=words):
        given = given_splits.from_file(tmp_path / "split.csv", root, items)
        given_splits.split(given, items)


def test_a_table_of_patients(tmp_path):
    root = grow(tmp_path / "set", TREES["patients above"][1])
    (tmp_path / "split.csv").write_text("Patient;Fold\npatient0;1\npatient1;2\npatient2;2\n")
    items = datasets.read(root, "folder").items
    split = given_splits.split(given_splits.from_file(tmp_path / "split.csv", root, items), items)
    assert split.partitions == ((("patient0",), ("patient1", "patient2")),)
    assert split.given == "split.csv"


def test_a_contradicting_split_is_said_and_not_offered(tmp_path):
    root = grow(tmp_path, [f"fold{f}/x/SOB_{t}-100-001.png" for f in (1, 2) for t in TUMOURS])
    found = datasets.read(root, "breakhis")
    assert len(found.items) == 4 and not found.given
    assert any("into fold1 and into fold2" in note for note in found.notes)
    shutil.rmtree(Path(root) / "fold2")
    assert not datasets.read(root, "breakhis").given
