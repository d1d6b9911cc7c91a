"""The lesson on laboratories in words, whichever way the numbers fall."""

import copy

import pytest

from dala.publishing import laboratories_text as text
from dala.publishing.card_notes import CardNotes
from tests.support.laboratories import TABLE

NOTES = CardNotes(names={"earlier": "the earlier recipe"})


def changed(**places):
    """The table with other AUCs (home, tiles, fields) of some recipes."""
    table = copy.deepcopy(TABLE)
    for title, values in places.items():
        for key, value in zip(("home", "tiles", "fields"), values, strict=True):
            table["recipes"][title]["scores"][key]["auc"][0] = value
    return table


def words(table):
    return text.lesson(*text.points(table, NOTES))


def test_points_are_means_over_the_laboratories_that_the_published_recipe_has_an_auc_on():
    drawn, titles = text.points(TABLE, NOTES)
    assert titles == ["Tissue tiles", "Fields"]
    assert [p.title for p in drawn] == ["DALAResNet50", "logistic regression on frozen features", "the earlier recipe"]
    assert [(p.value, p.outside) for p in drawn] == [(0.86, 0.75), (0.83, pytest.approx(0.82)), (0.87, 0.485)]


def test_a_recipe_that_lacks_a_laboratory_is_not_drawn():
    table = copy.deepcopy(TABLE)
    del table["recipes"]["earlier"]["scores"]["tiles"]
    assert len(text.points(table)[0]) == 2
    del table["recipes"]["probe"]["scores"]["home"]
    assert len(text.points(table)[0]) == 1
    assert words(table) == []


def test_the_winner_at_home_loses_outside():
    first, order, caution = words(TABLE)
    assert first == (
        "At home, on patients held out, the earlier recipe ranks pictures best, with an AUC of 0.87; on pictures of 2 "
        "other laboratories it reaches 0.48, and logistic regression on frozen features, with 0.83 at home, reaches "
        "0.82."
    )
    assert order == (
        "From home to outside the recipes lose 0.17 of AUC on average; of 3 pairs that differ in both, 3 change their "
        "order."
    )
    assert "the 95 % interval of the earlier recipe at home, 0.77 to 0.92, holds all the others" in caution


def test_the_winner_at_home_wins_outside():
    first, order, _ = words(changed(earlier=(0.92, 0.95, 0.93)))
    assert first.startswith("Here the lesson does not show: the earlier recipe, best on patients held out")
    assert "change their order" in order


def test_recipes_that_do_not_differ_are_not_ranked():
    first, order, _ = words(changed(dala=(0.8, 0.9, 0.9), probe=(0.801, 0.9, 0.9), earlier=(0.799, 0.901, 0.9)))
    assert first.startswith("Here the lesson does not show")
    assert order == (
        "From home to outside the recipes gain 0.10 of AUC on average; no two of them differ by more than 0.005 in "
        "both."
    )


def test_an_interval_that_excludes_another_recipe_is_not_said_to_hold_it():
    _, _, caution = words(changed(probe=(0.6, 0.8, 0.84)))
    assert "holds all the others" not in caution and "each laboratory has its own cases" in caution


def test_cells_and_notes_are_the_numbers_with_dashes_where_there_are_none():
    head, rows = text.cells(TABLE, "auc", NOTES)
    assert head == ["held out", "DALAResNet50", "logistic regression on frozen features", "the earlier recipe"]
    by_title = {row[0]: row[1:] for row in rows}
    assert by_title["BreakHis 100X, patients held out (80 pictures, 8 patients)"][0] == "0.860 [0.76, 0.91]"
    assert by_title["Atypical regions (40 pictures)"] == ["–", "–", "–"]
    assert by_title["Fields (80 pictures, 8 patients)"][1] == "0.840"
    assert "0.750 [0.65, 0.80]" in text.cells(TABLE, "called")[1][3][1]
    assert "Atypical regions: One class alone." in text.notes(TABLE)
    assert "Fields, AUC of the earlier recipe within each patient: 1008 0.52." in text.notes(TABLE, NOTES)


def test_failures_name_the_pictures_of_the_published_recipe():
    assert text.failures(TABLE) == ["Tissue tiles: `Stroma/<b>7.jpg` (benign, called malignant with 0.97)."]


def test_of_recipes_that_tie_at_home_the_best_outside_is_its_winner():
    first, _, _ = words(changed(dala=(0.868, 0.9, 0.9)))
    assert first.startswith(
        "Here the lesson does not show: DALAResNet50, best on patients held out with an AUC of 0.87"
    )
