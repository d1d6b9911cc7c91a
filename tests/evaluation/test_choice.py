"""The rule by which a recipe is chosen."""

import pytest

from dala.evaluation import choice
from dala.evaluation.choice import ChoiceError

HOME_WINNER = {"home": 0.87, "tiles": 0.55, "idc": 0.60}
STEADY = {"home": 0.85, "tiles": 0.75, "idc": 0.70}
SCORES = {"home winner": HOME_WINNER, "steady": STEADY, "weak": {"home": 0.70, "tiles": 0.56, "idc": 0.60}}


def test_ranks_are_averaged_over_the_sets_and_ties_share_theirs():
    assert choice.mean_ranks(SCORES) == {
        "home winner": pytest.approx((1 + 3 + 2.5) / 3, abs=1e-4),
        "steady": pytest.approx((2 + 1 + 1) / 3, abs=1e-4),
        "weak": pytest.approx((3 + 2 + 2.5) / 3, abs=1e-4),
    }


def test_the_recipe_that_wins_at_home_alone_is_not_chosen():
    assert choice.best(SCORES) == "steady"
    assert choice.best({name: {"home": row["home"]} for name, row in SCORES.items()}) == "home winner"


def test_equal_ranks_are_decided_by_the_mean_score():
    assert choice.best({"a": {"x": 0.9, "y": 0.5}, "b": {"x": 0.8, "y": 0.7}}) == "b"


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ({}, "nothing to choose from"),
        ({"a": {"home": 0.9, "tiles": 0.6}, "b": {"home": 0.8}}, "b has no AUC on tiles"),
        ({"a": {"home": 0.9}, "b": {"home": float("nan")}}, "b has no AUC on home"),
    ],
)
def test_what_cannot_be_ranked(scores, sentence):
    with pytest.raises(ChoiceError, match=sentence):
        choice.mean_ranks(scores)
