"""The candidates of a recipe: which runs belong together, and their ranks."""

import json

import pytest
from sklearn.metrics import roc_auc_score

from dala.evaluation import choice as rule
from dala.publishing import choice, runs
from dala.publishing.runs import PublicationError
from tests.support.runs import predictions, save

SETS = [("Home", "H", 1.0), ("Tiles", "T", 0.3)]


def source(title, laboratory, weight):
    return {
        "title": title, "laboratory": laboratory, "images": 9, "patients": 3, "classes": {}, "weight": weight,
        "zoom": None, "licence": "CC",
    }  # fmt: skip


def candidate(root, name, quality, left_out=(), tiles=None, weight=0.3, **settings):
    """A run inside the training sides; with `left_out`, one that was trained without a laboratory and scored on it."""
    folder = save(root / name, predictions(quality, partitions=1), inner=True, leave_out=list(left_out), **settings)
    report = json.loads((folder / "report.json").read_text())
    sets = [("Home", "H", 1.0), ("Tiles", "T", weight)]
    report["provenance"] |= {"sources": [source(*s) for s in sets if s[1] not in left_out], "left_out": list(left_out)}
    report["settings"]["sources"] = " + ".join(s[0] for s in sets if s[1] not in left_out)
    (folder / "report.json").write_text(json.dumps(report))
    if tiles is not None:
        (folder / "laboratories").mkdir()
        scored = save(folder / "laboratories" / "tiles", predictions(tiles, seed=9), protocol="external")
        report = json.loads((scored / "report.json").read_text()) | {"provenance": {"data": "Tiles"}}
        (scored / "report.json").write_text(json.dumps(report))
    return runs.read(folder)


def titles(some):
    return [one.folder.name for one in some]


def test_ranks_are_the_rules_over_both_kinds_of_scores(tmp_path):
    every = [
        candidate(tmp_path, "wins-at-home", 2.0, lr=1),
        candidate(tmp_path, "steady", 1.6, lr=2),
        candidate(tmp_path, "wins-at-home-less", 2.0, ["T"], 0.2, lr=1),
        candidate(tmp_path, "steady-less", 1.6, ["T"], 1.2, lr=2),
    ]
    result = choice.choose(every[1], every, titles, 20)
    assert list(result) == ["wins-at-home", "steady"]
    assert [one["chosen"] for one in result.values()] == [False, True]
    assert [one["settings"] for one in result.values()] == [{"lr": 1}, {"lr": 2}]
    scored = predictions(1.2, seed=9).partitions()
    aucs = [roc_auc_score(part.label, part.probabilities()[:, 1]) for part in scored]
    assert result["steady"]["laboratories"]["Tiles"][0] == pytest.approx(sum(aucs) / len(aucs), abs=1e-4)
    scores = {
        name: {"home": one["figures"]["auc"][0], "tiles": one["laboratories"]["Tiles"][0]}
        for name, one in result.items()
    }
    assert {name: one["rank"] for name, one in result.items()} == rule.mean_ranks(scores)


def test_without_laboratories_there_are_no_ranks(tmp_path):
    every = [candidate(tmp_path, "a", 1.0, lr=1), candidate(tmp_path, "b", 1.2, lr=2)]
    assert not any(
        "rank" in one or "laboratories" in one for one in choice.choose(every[0], every, titles, 20).values()
    )


def test_weights_of_a_set_left_out_do_not_matter_and_other_settings_do(tmp_path):
    light, heavy = candidate(tmp_path, "light", 1.0), candidate(tmp_path, "heavy", 1.1, weight=0.6)
    less = candidate(tmp_path, "less", 1.0, ["T"], 0.9)
    result = choice.choose(light, [light, heavy, less], titles, 20)
    assert result["light"]["laboratories"] == result["heavy"]["laboratories"]
    with pytest.raises(PublicationError, match="was trained without T, and is of no candidate's recipe"):
        choice.choose(light, [light, candidate(tmp_path, "other", 1.0, ["T"], 0.9, lr=5)], titles, 20)


def test_a_candidate_that_lacks_a_laboratory_cannot_be_ranked(tmp_path):
    every = [
        candidate(tmp_path, "a", 1.0, lr=1),
        candidate(tmp_path, "b", 1.2, lr=2),
        candidate(tmp_path, "a-less", 1.0, ["T"], 0.9, lr=1),
    ]
    with pytest.raises(PublicationError, match="cannot be ranked: b has no AUC on Tiles"):
        choice.choose(every[0], every, titles, 20)
