"""The table of laboratories as words and cells, for the model card and the page. No number is typed here."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean
from typing import Literal, TypeAlias

from dala.hub.laboratories import HOME, Laboratories, Laboratory
from dala.hub.scores import FailureRow, Interval
from dala.markdown import interval
from dala.publishing.card_notes import CardNotes
from dala.publishing.card_text import count, name

__all__ = ["METRICS", "Metric", "Point", "cells", "failure", "failures", "figure", "lesson", "notes", "points"]

Metric: TypeAlias = Literal["auc", "balanced_accuracy", "called"]
METRICS: dict[Metric, str] = {
    "auc": "AUC of pictures",
    "balanced_accuracy": "balanced accuracy",
    "called": "share called malignant",
}
# AUCs that are closer than this are no difference in words.
TIE = 0.005


@dataclass(frozen=True)
class Point:
    """A recipe in the plot of home against outside.

    Attributes:
        title: display name.
        home: AUC of pictures of patients held out, with its interval.
        outside: mean AUC over the laboratories held out.
    """

    title: str
    home: Interval
    outside: float

    @property
    def value(self) -> float:
        """AUC at home."""
        return float(self.home[0] or 0)


def points(table: Laboratories, card_notes: CardNotes | None = None) -> tuple[list[Point], list[str]]:
    """Return the recipes with their AUC at home and outside, the published first, and the titles of the laboratories.

    The laboratories are those on which the published recipe has an AUC. A recipe that lacks one of them, or the
    patients held out, is left out, since means over other laboratories cannot be compared.
    """
    recipes, laboratories = table["recipes"], table["laboratories"]
    if not recipes:
        return [], []
    first = next(iter(recipes.values()))["scores"]
    keys = [k for k, row in first.items() if laboratories[k]["kind"] == "outside" and row["auc"][0] is not None]
    result = []
    for title, recipe in recipes.items():
        home = recipe["scores"].get(HOME)
        outside = [recipe["scores"][k]["auc"][0] for k in keys if k in recipe["scores"]]
        values = [value for value in outside if value is not None]
        if keys and home and home["auc"][0] is not None and len(values) == len(keys):
            result.append(Point(name(title, card_notes), home["auc"], mean(values)))
    return result, [laboratories[k]["title"] for k in keys]


def lesson(drawn: Sequence[Point], titles: Sequence[str]) -> list[str]:
    """Sentences about home and outside; empty with fewer than two recipes or no laboratory.

    Args:
        drawn: from `points`.
        titles: of the laboratories.
    """
    if len(drawn) < 2 or not titles:
        return []
    top = max(p.value for p in drawn)
    # Of recipes that cannot be told apart at home the one that is best outside speaks for them (of equals the first).
    at_home = max((p for p in drawn if top - p.value <= TIE), key=lambda p: round(p.outside, 2))
    outside = max(drawn, key=lambda p: p.outside)
    where = "the other laboratory" if len(titles) == 1 else f"{len(titles)} other laboratories"
    if outside.outside - at_home.outside > TIE:
        first = (
            f"At home, on patients held out, {at_home.title} ranks pictures best, with an AUC of {at_home.value:.2f}; "
            f"on pictures of {where} it reaches {at_home.outside:.2f}, and {outside.title}, with {outside.value:.2f} "
            f"at home, reaches {outside.outside:.2f}."
        )
    else:
        first = (
            f"Here the lesson does not show: {at_home.title}, best on patients held out with an AUC of "
            f"{at_home.value:.2f}, is also best, or within {TIE:g} of it, on pictures of {where}, with "
            f"{at_home.outside:.2f}."
        )
    return [first, _order(drawn), _caution(drawn, at_home, outside)]


def _order(drawn: Sequence[Point]) -> str:
    """How many pairs of recipes change their order, and how much is lost on the way out."""
    pairs = [
        (a.value - b.value) * (a.outside - b.outside)
        for a, b in combinations(drawn, 2)
        if abs(a.value - b.value) > TIE and abs(a.outside - b.outside) > TIE
    ]
    reversed_ = sum(product < 0 for product in pairs)
    lost = mean(p.value - p.outside for p in drawn)
    change = f"lose {lost:.2f} of AUC on average" if lost > 0 else f"gain {-lost:.2f} of AUC on average"
    whole = f"From home to outside the recipes {change}"
    if not pairs:
        return f"{whole}; no two of them differ by more than {TIE:g} in both."
    return f"{whole}; of {count(len(pairs), 'pair')} that differ in both, {reversed_} change their order."


def _caution(drawn: Sequence[Point], at_home: Point, outside: Point) -> str:
    """What sets as small as these leave open."""
    low, high = at_home.home[1:]
    within = [p for p in drawn if p is not at_home and low is not None and high is not None and low <= p.value <= high]
    if len(within) == len(drawn) - 1 and low is not None and high is not None:
        return (
            f"The sets are small: the 95 % interval of {at_home.title} at home, {low:.2f} to {high:.2f}, holds all the "
            "others, so the order may be another on other patients."
        )
    return (
        "The sets are small, and each laboratory has its own cases and classes: the order may be another on other "
        "patients and in other laboratories."
    )


def cells(
    table: Laboratories, metric: Metric, card_notes: CardNotes | None = None
) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table of one metric: a row for each set, a column for each recipe.

    A dash stands where a recipe was not scored, or where the pictures are of one class.
    """
    recipes = table["recipes"]
    head = ["held out", *(name(title, card_notes) for title in recipes)]
    rows = []
    for key, laboratory in table["laboratories"].items():
        scored = [recipe["scores"].get(key) for recipe in recipes.values()]
        rows.append([_about(laboratory), *("–" if row is None else figure(row[metric]) for row in scored)])
    return head, rows


def notes(table: Laboratories, card_notes: CardNotes | None = None) -> list[str]:
    """Return what the pictures of each laboratory cannot show, as sentences with its title."""
    result = [f"{row['title']}: {note}" for row in table["laboratories"].values() for note in row["notes"]]
    for title, recipe in table["recipes"].items():
        for key, scored in recipe["scores"].items():
            if within := scored.get("by_group"):
                each = ", ".join(f"{group} {value:.2f}" for group, value in within.items())
                where = table["laboratories"][key]["title"]
                result.append(f"{where}, AUC of {name(title, card_notes)} within each patient: {each}.")
    return result


def failures(table: Laboratories) -> list[str]:
    """Return, for each outside laboratory, the published recipe's pictures most confidently wrong."""
    if not table["recipes"]:
        return []
    result = []
    for key, scored in next(iter(table["recipes"].values()))["scores"].items():
        laboratory, wrong = table["laboratories"][key], scored.get("failures")
        if laboratory["kind"] == "outside" and wrong:
            result.append(f"{laboratory['title']}: {'; '.join(map(failure, wrong))}.")
    return result


def failure(row: FailureRow) -> str:
    """One picture that was classified wrong, in words."""
    return f"`{row['picture']}` ({row['label']}, called {row['predicted']} with {row['probability']:.2f})"


def _about(laboratory: Laboratory) -> str:
    numbers = count(laboratory["pictures"], "picture")
    if laboratory["by"] == "patient":
        numbers += f", {count(laboratory['groups'], 'patient')}"
    return f"{laboratory['title']} ({numbers})"


def figure(value: Interval) -> str:
    """A number with its interval; a dash where it is undefined."""
    number, low, high = value
    return interval(number, low, high)
