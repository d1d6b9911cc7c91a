"""Sections of a card on laboratories held out, sets in training and single failures."""

import copy
import json

import pytest

from dala.publishing import card_beside, card_sections
from dala.publishing.card_beside import Beside, BesideError
from dala.publishing.card_notes import CardNotes
from tests.support.laboratories import TABLE, WRONG

RATES = {
    "own": [{"title": "BreakHis", "pictures": 200, "spoken": 6}],
    "left_out": [{"title": "Tiles", "pictures": 100, "spoken": 91}],
    "outside": [],
}
SET = {
    "title": "BreakHis", "laboratory": "Brazil", "images": 429, "patients": 26, "classes": {}, "weight": 1.0,
    "zoom": None, "licence": "CC BY 4.0", "citation": "Spanhol et al. 2016.",
}  # fmt: skip
TILES = {**SET, "title": "Tiles", "patients": None, "weight": 0.3, "zoom": [0.42, 1.0], "licence": None}
NOTES = CardNotes(names={"earlier": "the earlier recipe"}, data="Re-encoded.")


def test_nothing_beside_leaves_the_sections_out():
    report = {"scores": {}, "provenance": {}}
    assert card_sections.laboratories(Beside(), NOTES) is card_sections.expected(Beside()) is None
    assert card_sections.shift(Beside()) is card_sections.failures(report, Beside()) is None
    assert card_sections.choice({}) is card_sections.ranked({}) is None


def test_the_tables_the_notes_and_the_lesson():
    text = card_sections.laboratories(Beside(TABLE), NOTES)
    assert "| held out | DALAResNet50 | logistic regression on frozen features | the earlier recipe |" in text
    assert "| Tissue tiles (80 pictures) | 0.700 [0.60, 0.75] | 0.800 [0.70, 0.85] | 0.450 [0.35, 0.50] |" in text
    assert "Share called malignant, if both classes had as many pictures:" in text
    assert "- Atypical regions: One class alone." in text
    assert "the earlier recipe ranks pictures best" in text and "](laboratories.png)" in text


def test_what_to_expect_is_of_the_published_recipe():
    text = card_sections.expected(Beside(TABLE))
    assert "On 2 laboratories held out the recipe ranks pictures with an AUC of 0.70 to 0.80" in text
    assert "calls 50 to 80 % malignant" in text
    alone = copy.deepcopy(TABLE)
    del alone["recipes"]["dala"]["scores"]["fields"]
    assert "On 1 laboratory held out the recipe ranks pictures with an AUC of 0.70 and" in card_sections.expected(
        Beside(alone)
    )


def test_the_shift_check_in_one_line():
    assert card_sections.shift(Beside(None, RATES)) == (
        "The check of laboratories, which stands beside a probability, speaks on 3 % of BreakHis whose patients were "
        "left out of its fit; on 91 % of Tiles if that laboratory is left out as a whole."
    )


def test_failures_name_pictures_by_patient_and_by_laboratory():
    report = {"scores": {"failures": [{**WRONG, "picture": "a.png"}]}}
    assert card_sections.failures(report, Beside(TABLE)).splitlines() == [
        "- patients held out, one picture of each: patient 7: `a.png` (benign, called malignant with 0.97).",
        "- Tissue tiles: `Stroma/<b>7.jpg` (benign, called malignant with 0.97).",
    ]


def test_every_set_with_its_terms():
    table = copy.deepcopy(TABLE)
    table["laboratories"]["tiles"] |= {"licence": "Apache-2.0", "citation": "Tiles 2020"}
    text = card_sections.data({"provenance": {"sources": [SET, TILES]}}, NOTES, Beside(table))
    assert "| BreakHis | Brazil | 429 | 26 | 1 | fitted | CC BY 4.0 |" in text
    assert "| Tiles | Brazil | 429 | unknown | 0.3 | 0.42, 1 | not stated |" in text
    assert "- BreakHis: Spanhol et al. 2016." in text and text.endswith("- Re-encoded.")
    assert "- Tissue tiles (scored only; Apache-2.0): Tiles 2020." in text


def test_the_ranks_of_the_candidates():
    figures = {"auc": [0.8, 0.7, 0.9], "balanced_accuracy": [0.7, 0.6, 0.8]}
    one = {"chosen": True, "settings": {"ema": 0.9}, "figures": figures, "laboratories": {"Tiles": [0.6, 0.5, 0.7]}}
    report = {"choice": {"a": {**one, "rank": 1.5}, "b": {**one, "chosen": False, "rank": 2.0}}}
    text = card_sections.choice(report)
    assert "| candidate | differs in | AUC | balanced accuracy | AUC, Tiles | mean rank |" in text
    assert "| a (chosen) | `ema=0.9` | 0.800 [0.70, 0.90] | 0.700 [0.60, 0.80] | 0.600 [0.50, 0.70] | 1.50 |" in text
    assert card_sections.ranked(report) == "a has the lowest mean rank, 1.50."
    report["choice"]["b"]["rank"] = 1.5
    assert card_sections.ranked(report) == "a and b have the lowest mean rank, 1.50."


def test_files_beside_a_report_are_of_its_weights(tmp_path):
    assert card_beside.read(tmp_path, "ab") == Beside()
    table = copy.deepcopy(TABLE)
    table["recipes"]["dala"]["sha256"] = "ab"
    (tmp_path / "laboratories.json").write_text(json.dumps(table))
    (tmp_path / "shift.json").write_text(json.dumps({"sha256": "ab", "measured": RATES}))
    assert card_beside.read(tmp_path, "ab") == Beside(table, RATES)
    with pytest.raises(BesideError, match="its first recipe has other weights"):
        card_beside.read(tmp_path, "cd")
    (tmp_path / "laboratories.json").unlink()
    with pytest.raises(BesideError, match="was fitted for other weights"):
        card_beside.read(tmp_path, "cd")
    (tmp_path / "shift.json").write_text("{}")
    with pytest.raises(BesideError, match="is missing"):
        card_beside.read(tmp_path, "ab")
