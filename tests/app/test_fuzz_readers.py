"""Files that a repository or a folder may hold, damaged: one sentence, or as if they were not there."""

import copy
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dala.cli import main
from dala.data import groups, splits
from dala.data.items import Item
from dala.errors import DalaError
from dala.evaluation.predictions import Predictions
from dala.explain import gate, shift
from dala.heatmaps import npz
from dala.heatmaps.npz import RawMapError
from dala.publishing import card_notes, pinned, run_report, samples
from dala.publishing.samples import Sample
from dala.ui.tabs import results, results_benchmark, results_maps
from tests.fuzz.jsons import NOT_JSON, mutated
from tests.fuzz.pictures import mutated as damaged
from tests.support.reports import REPORT, STUDY, TISSUE_MAPS

TIMES = 300
ITEMS = [Item(Path(f"{label}-{p}.png"), label, f"{label}{p}", f"{label}{p}A") for label in (0, 1) for p in range(4)]
SPLIT = {"protocol": "patient", "partitions": [[["00", "10"], ["01", "11"], ["02", "03", "12", "13"]]]}
GATE = {"sha256": "x", "data": "BreakHis", "pictures": 3, "mean": [0.5, 0.25]}
LABORATORY = {
    "title": "BreakHis", "pictures": 429, "side": 567.0, "threshold": 6.5, "share": 0.95, "mean": [0.1, 0.2],
    "scale": [1.0, 2.0], "precision": [[1.0, 0.1], [0.1, 1.0]],
}  # fmt: skip
RATE = {"title": "BreakHis", "pictures": 429, "spoken": 20, "median": 0.6}
SHIFT = {
    "sha256": "x", "statistics": ["red", "green"], "laboratories": [LABORATORY],
    "measured": {"own": [RATE], "left_out": [], "outside": [RATE]},
}  # fmt: skip
NOTES = {"names": {"a": "A network"}, "starts": {"ab" * 32: "From us."}, "data": "Scanned."}
ROWS = [{"file": "one.png", "caption": "A duct", "um_per_pixel": 0.5, "magnification": "40X"}] * 2
RUN = REPORT | {"network": "dala", "temperature": 1.0}
TABLE = b"""partition,fold,picture,label,patient,slide,magnification,logit:a,logit:b
0,0,one.png,0,P1,S1,40X,0.5,1.5
0,1,two.png,1,P2,S2,40X,0.5,-1.5
"""
OWNERS = b"picture,patient,slide\n0-0.png,P1,S1\n0-1.png,P2,S2\n"


@pytest.fixture(scope="module")
def beside(explainer, tmp_path_factory):
    """The shipped network as if it lay in a folder of its own."""
    one = copy.copy(explainer)
    one.origin = replace(explainer.origin, folder=tmp_path_factory.mktemp("beside"))
    return one


def told(read, *given) -> bool:
    """Whether it was refused; with one sentence."""
    try:
        read(*given)
    except DalaError as error:
        assert str(error).endswith(".") and str(error).isprintable(), repr(str(error))
        return True
    return False


def markup_is_escaped(page: str) -> None:
    assert "<img src=x" not in page
    page.encode()


@pytest.mark.parametrize("seed", range(3))
def test_reports_of_anybody(beside, seed):
    rng, folder = random.Random(seed), beside.origin.folder
    for _ in range(TIMES // 3):
        (folder / "report.json").write_bytes(mutated(rng, REPORT))
        (folder / "explanations.json").write_bytes(mutated(rng, STUDY))
        (folder / "tissue_maps.json").write_bytes(mutated(rng, TISSUE_MAPS))
        markup_is_escaped(results.page_of(beside))
        markup_is_escaped(results_benchmark.page(beside))
        markup_is_escaped(results_maps.page(beside))
        assert "tissue.json" in results.files(beside)


def test_markup_in_a_text_of_a_report_stays_text(beside):
    bad = "<img src=x onerror=alert(1)>"
    report = copy.deepcopy(REPORT) | {"title": bad, "provenance": {"data": bad, "magnification": bad}}
    report["scores"]["by_patient"][0] |= {"patient": bad, "label": bad}
    report["beside"][bad] = report["beside"]["colour"]
    (beside.origin.folder / "report.json").write_text(json.dumps(report))
    page = results.page_of(beside)
    assert page.count("&lt;img src=x") == 7 and "<img src=x" not in page


@pytest.mark.parametrize("name", ["images", "patients", "folds"])
def test_a_report_with_a_text_in_the_place_of_a_number_is_not_shown(name, beside):
    scores = REPORT["scores"] | {name: "<img src=x onerror=alert(1)>"}
    (beside.origin.folder / "report.json").write_text(json.dumps(REPORT | {"scores": scores}))
    assert results.page_of(beside) == results.NOTHING


def test_a_card_that_is_no_text(beside):
    (beside.origin.folder / "README.md").write_bytes(b"---\nlicense: x\n---\nA card \xff\xfe.")
    assert results.card_of(beside) == "A card \ufffd\ufffd."


def json_readers(beside, folder):
    origin = beside.origin
    (folder / "predictions.csv").write_bytes(TABLE)
    return {
        "samples.json": (ROWS, lambda file: samples.read(file.parent)),
        "samples/samples.json": (ROWS, lambda file: samples.of(replace(origin, folder=folder))),
        "split.json": (SPLIT, lambda file: splits.read(file, ITEMS)),
        "gate.json": (GATE, lambda file: gate.read(file, "x", 2)),
        "shift.json": (SHIFT, lambda file: shift.laboratories(shift.read(file, "x"))),
        "card.json": (NOTES, card_notes.read),
        "report.json": (RUN, lambda file: run_report.read(file.parent)),
    }


@pytest.mark.parametrize(
    "name",
    ["samples.json", "samples/samples.json", "split.json", "gate.json", "shift.json", "card.json", "report.json"],
)
def test_json_that_is_almost_right(name, beside, tmp_path):
    (tmp_path / "samples").mkdir()
    for folder in (tmp_path, tmp_path / "samples"):
        Image.new("RGB", (40, 40)).save(folder / "one.png")
    sound, read = json_readers(beside, tmp_path)[name]
    file, rng = tmp_path / name, random.Random(0)
    file.write_text(json.dumps(sound))
    assert not told(read, file)
    refusals = 0
    for _ in range(TIMES):
        file.write_bytes(mutated(rng, sound))
        refusals += told(read, file)
    assert TIMES / 10 < refusals < TIMES
    for content in NOT_JSON[:5]:
        file.write_bytes(content)
        assert told(read, file)


@pytest.mark.parametrize("content", [*NOT_JSON[:5], b'{"model": "\\ud800"}', b"[]", b"{}"])
def test_a_pin_that_is_none(content, tmp_path, monkeypatch):
    monkeypatch.delenv("DALA_MODEL", raising=False)
    (tmp_path / pinned.PIN).write_bytes(content)
    assert told(pinned.load, tmp_path)


@pytest.mark.parametrize("content", NOT_JSON[:5])
def test_a_report_that_is_no_json_is_one_line_on_the_command_line(content, tmp_path, capsys):
    (tmp_path / "report.json").write_bytes(content)
    assert main(["compare", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_samples_of_a_host_are_texts(tmp_path):
    (tmp_path / "samples.json").write_text('[{"file": "a/../one.png", "caption": 3}]')
    with pytest.raises(DalaError, match="sample 1: file, caption, origin and licence must be text"):
        samples.read(tmp_path)
    (tmp_path / "samples.json").write_text('[{"file": "a/one.gif", "caption": "A duct"}]')
    assert samples.read(tmp_path) == [Sample(tmp_path / "a/one.gif", "A duct")]


@pytest.mark.parametrize("partitions", [[[["00"], [1]]], [[[["00"]]]], [[[{"a": 1}]]], [[[None, "00"]]]])
def test_a_split_of_something_else_than_names(partitions, tmp_path):
    (tmp_path / "split.json").write_text(json.dumps({"protocol": "patient", "partitions": partitions}))
    with pytest.raises(DalaError, match="not a split as training writes it"):
        splits.read(tmp_path / "split.json", ITEMS)


@pytest.mark.parametrize(("table", "read"), [
    (TABLE, lambda file: Predictions.read(file)),
    (OWNERS, lambda file: groups.assign(file.parent, [replace(i, path=file.parent / i.path) for i in ITEMS[:2]])),
])  # fmt: skip
def test_tables_that_are_damaged(table, read, tmp_path):
    file, rng = tmp_path / groups.NAME, random.Random(0)
    file.write_bytes(table)
    assert not told(read, file)
    refusals = 0
    odd = [b"\0", b"\xff", b'"', b"\n\n", b"\r", b",,,,,,,,,", b"1e999", b"9" * 40, b"=1+1", b"x" * 140_000]
    for _ in range(TIMES):
        content = damaged(rng, table, [table])
        at = rng.randrange(len(content) + 1)
        file.write_bytes(content[:at] + rng.choice(odd) + content[at:] if rng.random() < 0.5 else content)
        refusals += told(read, file)
    assert refusals > TIMES / 10


def test_raw_maps_that_are_damaged():
    rng, sound = random.Random(0), npz.pack({"grad_cam": torch.rand(3, 4)})
    assert not told(npz.read, sound)
    assert TIMES / 10 < sum(told(npz.read, damaged(rng, sound, [sound])) for _ in range(TIMES)) < TIMES
    for rows in ([[[1]]], [1], [None], [[1, None]], [[{}]], [["a"]], [[[[]]]], [[1], 2], [{}], [["9" * 9]], [[1e999]]):
        assert told(npz.read, rows)


def test_one_long_text_in_a_raw_map_is_not_reserved_for_all():
    rows = [["x" * 10**6] + [""] * 10**6]  # 4 TB, were it an array
    with pytest.raises(RawMapError, match="numbers, not text"):
        npz.read(rows)
    deep: list = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(RawMapError, match="numbers, not lists"):
        npz.read(deep)


def test_an_npz_of_odd_names_is_one_line():
    with pytest.raises(RawMapError) as caught:
        npz.read(npz.pack({"a\nb": torch.ones(2, 2), "\x1b[2J" + "y" * 5000: torch.ones(2, 2)}))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 700
    assert np.isfinite(npz.read(npz.pack({"a\nb": torch.ones(2, 2)}))).all()
