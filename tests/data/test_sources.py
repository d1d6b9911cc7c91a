"""Several sets as one."""

from dataclasses import replace

import pytest
from PIL import Image

from dala.data import scales, sources
from dala.data.items import DataError
from dala.data.source_files import Source
from dala.images.preprocessing import Preprocessing
from tests.support.labelled import place


@pytest.fixture
def home(tmp_path):
    folder = place(tmp_path / "home", {"benign": 2, "malignant": 3})
    return Source("home", "A", folder, um_per_pixel=1.0, patients="unknown", described=True)


@pytest.fixture
def away(tmp_path):
    folder = place(tmp_path / "away", {"Stroma": 6, "Tumor": 2})
    classes = {"Tumor": "malignant", "Stroma": "benign"}
    return Source("away", "B", folder, classes=classes, zoom=0.5, weight=0.3, patients="unknown", described=True)


def test_two_sets_as_one(home, away):
    dataset = sources.read([home, away])
    assert dataset.class_names == ["benign", "malignant"] and [s.title for s in dataset.sources] == ["home", "away"]
    assert [(i.source, i.label, i.zoom, i.weight) for i in dataset.items] == [
        *[("home", label, None, 1) for label in (0, 0, 1, 1, 1)],
        *[("away", label, 0.5, 0.3) for label in (0, 0, 0, 0, 0, 0, 1, 1)],
    ]  # fmt: skip
    assert [i.source for i in dataset.scored] == ["home"] * 5
    # Pictures of unknown patients that are named alike are not one patient.
    assert dataset.items[-1].patient == "away/Tumor/1.png" and dataset.items[0].patient == "benign/0.png"
    assert sources.readable(dataset).items == dataset.items
    assert sources.name(dataset.items[-1].path, dataset) == "away/Tumor/1.png"


def test_the_most_pictures_are_drawn_the_same_way_again(away):
    few = sources.read([replace(away, at_most=3)])
    assert [i.path.parent.name for i in few.items] == ["Stroma"] * 3 + ["Tumor"] * 2
    assert few.items == sources.read([replace(away, at_most=3)]).items
    (away.folder / "Tumor" / "9.png").write_bytes((away.folder / "Tumor" / "0.png").read_bytes())
    assert {i.path for i in few.items if not i.label} <= {i.path for i in sources.read([away]).items}


def test_patients_have_a_prefix_a_most_and_are_left_out(home, tmp_path):
    folder = tmp_path / "idc"
    for patient in ("9", "10", "11"):
        for kind in "01":
            place(folder, {f"{patient}/{kind}": 3}, name=f"{patient}_idx5_x{{}}_y1_class{kind}")
    idc = Source(
        "idc", "C", folder, format="idc", classes={"0": "benign", "1": "malignant"}, zoom=4, patients="named",
        patient_prefix="C-", at_most=2, leave_out=("10",),
    )  # fmt: skip
    items = [i for i in sources.read([home, idc]).items if i.source == "idc"]
    assert {i.patient for i in items} == {"C-9", "C-11"} and {i.slide for i in items} == {"C-9", "C-11"}
    assert len(items) == 2 * 2 * 2
    with pytest.raises(DataError, match="idc: `leave_out` names the patient 12, who has no pictures"):
        sources.read([home, replace(idc, leave_out=("12",))])
    alone = sources.read([home, replace(idc, patients="unknown", patient_prefix="")])
    assert "idc/9/0/9_idx5_x0_y1_class0.png" in {i.patient for i in alone.items}


@pytest.mark.parametrize(
    ("reference", "scale", "zoom"),
    [
        ({"um_per_pixel": 0.5}, {"um_per_pixel": 4.0}, 8.0),
        ({"magnification": "100X"}, {"magnification": "40X"}, 2.5),
        ({"zoom": 2.0}, {"zoom": 0.5}, 0.25),
        ({"magnification": "100X"}, {"zoom": 0.5}, 0.5),
    ],
)
def test_a_scale_is_a_zoom_against_the_first_set(home, away, reference, scale, zoom):
    first = replace(home, **{"um_per_pixel": None, **reference})
    second = replace(away, **{"zoom": None, **scale})
    assert {i.zoom for i in sources.read([first, second]).items} == {None, zoom}


def test_weights_that_are_scored_give_the_scale(away):
    weights = scales.of_weights(Preprocessing(64, 64, um_per_pixel=0.25, enlargement=2.0))
    options = {"class_names": ["benign", "malignant"], "reference": weights, "training": False}
    measured = replace(away, zoom=None, um_per_pixel=1.0)
    assert {i.zoom for i in sources.read([measured], **options).items} == {2.0}
    assert {i.zoom for i in sources.read([replace(away, zoom=None)], **options).items} == {None}
    with pytest.raises(DataError, match="away: states a magnification, but"):
        sources.read([replace(away, zoom=None, magnification="40X")], **options)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zoom": None}, "away: its scale is not stated"),
        ({"zoom": None, "magnification": "40X"}, "away: states a magnification, but the first set has not exactly one"),
        ({"classes": "binary"}, "no map names Stroma, Tumor"),
        ({"classes": {"Tumor": "malignant", "Stroma": "benign", "Fat": "benign"}}, "names Fat, which has no pictures"),
        ({"patients": "named"}, "away: neither the layout nor a groups.csv names its patients"),
        ({"evaluation_only": True}, "away is for evaluation only"),
        ({"leave_out": ("Tumor/0.png", "Tumor/1.png")}, "away: the class malignant has no pictures"),
    ],
)
def test_refusals(home, away, change, words):
    with pytest.raises(DataError, match=words):
        sources.read([home, replace(away, **change)])


def test_micrometres_need_those_of_the_first_set(home, away):
    with pytest.raises(DataError, match="away: has 4 µm per pixel, but those of the first set are not known"):
        sources.read([replace(home, um_per_pixel=None), replace(away, zoom=None, um_per_pixel=4)])


def test_a_patient_belongs_to_one_laboratory(home, away):
    for source in (home, away):
        kinds = sorted(p.relative_to(source.folder).as_posix() for p in source.folder.rglob("*.png"))
        (source.folder / "groups.csv").write_text(
            "picture,patient\n" + "".join(f"{k},P{n}\n" for n, k in enumerate(kinds))
        )
    named = [replace(s, patients="named") for s in (home, away)]
    with pytest.raises(
        DataError, match="The patient P0 is in home and in away, of two laboratories: .*`patient_prefix`"
    ):
        sources.read(named)
    assert len(sources.read([named[0], replace(named[1], laboratory="A")]).items) == 13
    apart = sources.read([named[0], replace(named[1], patient_prefix="B-")])
    assert {"P0", "B-P0"} <= {i.patient for i in apart.items}


def test_a_picture_belongs_to_one_set(home, away):
    # Other bytes and another name, but the same pixels.
    Image.open(home.folder / "benign" / "1.png").save(away.folder / "Stroma" / "copy.tif")
    dataset = sources.read([home, away])
    with pytest.raises(DataError, match="1.png of home and copy.tif of away are one picture"):
        sources.readable(dataset)


def test_a_class_that_cannot_be_decoded_is_empty(home, away):
    for file in (away.folder / "Tumor").iterdir():
        file.write_text("no picture")
    with pytest.raises(DataError, match="away: the class malignant has no pictures"):
        sources.readable(sources.read([home, away]))


def test_laboratories_are_left_out(home, away):
    assert {i.source for i in sources.read([home, away], leave_out=["B"]).items} == {"home"}
    twin = replace(away, title="twin", laboratory="A")
    # The first set stays to be scored, and no other set of its laboratory does.
    assert {i.source for i in sources.read([home, twin, away], leave_out=["A"]).items} == {"home", "away"}
    for names, words in ((["C"], "no laboratory 'C' to leave out: there are A, B"), (["A", "B"], "nothing is left")):
        with pytest.raises(DataError, match=words):
            sources.read([home, away], leave_out=names)


def opened(*values, format="folder"):
    return sources.open_all([str(v) for v in values], values[0], format, "binary", ["100X"])


def test_folders_without_a_source_file(tmp_path):
    first, second = opened(tmp_path, tmp_path / "more")
    assert (first.title, second.title) == ("a folder of pictures", "a folder of pictures (2)")
    assert second.laboratory == second.title and not second.has_scale
    one, two = opened(tmp_path, tmp_path / "more", format="breakhis")
    assert one.laboratory == two.laboratory == "BreakHis" and two.has_scale
    (hub,) = sources.open_all(["hub:you/pictures@v1"], tmp_path, "breakhis", "binary", ["100X"])
    assert (hub.title, hub.hub, hub.format) == ("you/pictures@v1", "you/pictures@v1", "folder")


def test_one_title_for_two_sets_is_refused(tmp_path):
    with pytest.raises(DataError, match="Two sets are titled 'you/pictures'"):
        sources.open_all(["hub:you/pictures"] * 2, tmp_path, "folder", "binary", [])
