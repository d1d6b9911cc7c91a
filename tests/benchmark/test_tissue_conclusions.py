"""Sentences about the maps on real tissue say what the numbers say, also where they say no."""

import pytest

from dala.benchmark import tissue_conclusions, tissue_report
from tests.support.reports import TISSUE_MAPS, tissue_set


def _report(**sets: dict) -> dict:
    return {"command": "x", "first": "grad_cam", "seconds": 60, "sets": sets}


@pytest.mark.parametrize(
    ("auc", "stain", "verdict", "words"),
    [
        (0.559, 0.7, "no", "No, not more than by chance."),  # no more than the moved map, up to 0.56
        (0.549, 0.5, "no", "No, not more than by chance."),
        (0.65, 0.7, "stain", "Hardly: more than by chance, but a control finds it at least as well."),
        (0.75, 0.7, "yes", "Yes."),
    ],
)
def test_a_map_lies_on_tumour_where_it_beats_chance_and_stain(auc, stain, verdict, words):
    each = tissue_set(auc, stain=stain)
    assert tissue_conclusions.on_tumour(each, "grad_cam") == verdict
    said = tissue_conclusions.answers(_report(fields=each))["tumour"]
    assert said.startswith(f"{words} How often")
    for number in (f"Grad-CAM {100 * auc:.0f} %", f"stain {100 * stain:.0f} %", "44 to 56 %", "Gaussian 52 %"):
        assert number in said


def test_an_interval_that_reaches_chance_is_no():
    each = tissue_set(0.6)
    each["rows"]["grad_cam"]["auc"] = [0.6, 0.49, 0.7]
    assert tissue_conclusions.on_tumour(each, "grad_cam") == "no"


@pytest.mark.parametrize(
    ("second", "words"),
    [(0.9, "In 1 of 2 sets."), (0.65, "Hardly: more than by chance in 1 of 2 sets, but a control finds it")],
)
def test_scales_that_differ_are_counted(second, words):
    said = tissue_conclusions.answers(_report(fields=tissue_set(0.5), crops=tissue_set(second)))["tumour"]
    assert said.startswith(words)


def test_a_method_that_does_better_than_the_first_is_named():
    each = tissue_set(0.6)
    each["rows"] |= {"layer_cam": each["rows"]["ceiling"], "random": each["rows"]["ceiling"]}
    assert "the best of 2 methods, LayerCAM, 95 %," in tissue_conclusions.answers(_report(fields=each))["tumour"]


@pytest.mark.parametrize(
    ("nuclei", "words"),
    [
        (1.11, "Hardly: more than by chance, 18 % of the way"),
        (1.4, "Yes: more than by chance, 67 % of the way"),
        (1.0, "No, not more than by chance."),
        (0.8, "No, not more than by chance."),
    ],
)
def test_a_map_lies_on_nuclei_where_it_leaves_the_range_of_chance(nuclei, words):
    said = tissue_conclusions.answers(_report(patches=tissue_set(None, nuclei)))
    assert said["nuclei"].startswith(words)
    assert f"Fields {nuclei:.2f} [" in said["nuclei"] and "at most 1.60" in said["nuclei"]
    assert "tumour" not in said


def test_sets_that_differ_are_named_so():
    sets = {"regions": tissue_set(None, 1.0), "patches": tissue_set(None, 1.4)}
    said = tissue_conclusions.answers(_report(**sets))["nuclei"]
    assert said.startswith("Only in part: more than by chance in 1 of 2 sets, 33 % of the way")


def test_the_rim_is_favoured_where_it_leaves_the_range_of_chance():
    said = tissue_conclusions.answers(TISSUE_MAPS)["edges"]
    assert said == "The rim is favoured in Fields and Patches: Fields 1.30, Patches 1.30 times its share of the area."
    few = tissue_set()
    few["marked"]["rim"] = 2
    assert "edges" not in tissue_conclusions.answers(_report(fields=few))


def test_the_report_has_every_number():
    text = tissue_report.markdown(TISSUE_MAPS)
    for words in (
        "# Where on real tissue", "## Fields", "## Patches",
        "| Grad-CAM | 0.550 [0.500, 0.600] | 1.020 [0.920, 1.120] |",
        "| by chance | 0.440 to 0.560 | 0.950 to 1.050 |", "| share of the area |  | 30 % | 20 % |",
        "| pictures |  | 3 | 3 |", "2 of them are called malignant", "**Does the map lie on tumour?** No,",
    ):  # fmt: skip
        assert words in text
