"""Sentences about the maps on real tissue say what the numbers say, also where they say no."""

import pytest

from dala.benchmark import tissue_conclusions, tissue_report
from tests.support.reports import TISSUE_MAPS, tissue_set


def _report(**sets: dict) -> dict:
    return {"command": "x", "first": "grad_cam", "seconds": 60, "sets": sets}


@pytest.mark.parametrize(
    ("auc", "stain", "verdict", "words"),
    [
        (0.55, 0.7, "no", "No. "),  # no more than the moved map, up to 0.56
        (0.65, 0.7, "stain", "Not more than stain does. "),
        (0.75, 0.7, "yes", "Yes. "),
        (0.55, 0.5, "no", "No. "),
    ],
)
def test_a_map_lies_on_tumour_where_it_beats_chance_and_stain(auc, stain, verdict, words):
    each = tissue_set(auc, stain=stain)
    assert tissue_conclusions.on_tumour(each, "grad_cam") == verdict
    said = tissue_conclusions.answers(_report(fields=each))["tumour"]
    assert said.startswith(words)
    for number in (f"{100 * auc:.0f} %", f"{100 * stain:.0f} %", "44 to 56 %", "52 %"):
        assert number in said


def test_scales_that_differ_are_no_single_answer():
    said = tissue_conclusions.answers(_report(fields=tissue_set(0.5), crops=tissue_set(0.9)))["tumour"]
    assert said.startswith("It depends on the scale. ")


@pytest.mark.parametrize(
    ("nuclei", "words"), [(1.2, "Yes, more than by chance."), (1.0, "No, not more than by chance."), (0.8, "No.")]
)
def test_a_map_lies_on_nuclei_where_it_leaves_the_range_of_chance(nuclei, words):
    said = tissue_conclusions.answers(_report(patches=tissue_set(None, nuclei)))
    assert said["nuclei"].startswith(words)
    assert f"{nuclei:.2f}" in said["nuclei"] and "at most 1.60" in said["nuclei"]
    assert "tumour" not in said


def test_sets_that_differ_are_named_so():
    sets = {"regions": tissue_set(None, 1.0), "patches": tissue_set(None, 1.2)}
    assert tissue_conclusions.answers(_report(**sets))["nuclei"].startswith("Not everywhere.")


def test_the_rim_is_favoured_where_it_leaves_the_range_of_chance():
    said = tissue_conclusions.answers(TISSUE_MAPS)["edges"]
    assert (
        said == "The rim is favoured in Fields and Patches: 1.30 (Fields), 1.30 (Patches) times its share of the area."
    )


def test_the_report_has_every_number():
    text = tissue_report.markdown(TISSUE_MAPS)
    for words in (
        "# Where on real tissue", "## Fields", "## Patches",
        "| Grad-CAM | 0.550 [0.500, 0.600] | 1.020 [0.920, 1.120] |",
        "| by chance | 0.440 to 0.560 | 0.950 to 1.050 |", "| share of the area |  | 30 % | 20 % |",
        "| pictures |  | 3 | 2 |", "2 of them are called malignant", "**Does the map lie on tumour?** No.",
    ):  # fmt: skip
        assert words in text
