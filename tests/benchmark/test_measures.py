"""The benchmark: measures on hand-made cases, conclusions, and a small run of the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dala.benchmark import cases, conclusions, measures
from dala.benchmark.measures import Case
from dala.cli import main
from dala.data import datasets, splits
from dala.data.items import DataError
from dala.images import preprocessing
from dala.models import serialization
from dala.models.dala_resnet import DALAResNet50
from dala.phantoms import phantom


def _case(small, heat: torch.Tensor, mask: torch.Tensor, group: str) -> Case:
    """A case whose raw map is the heat on a grid of one cell a pixel."""
    e = small.explain(Image.new("RGB", (128, 96), "white"), "malignant")
    return Case(small, replace(e, signed={"grad_cam": heat}), mask, group)


@pytest.fixture(scope="module")
def squares(small) -> list[Case]:
    """Squares of many sizes as masks; the maps are exact, but one is a hundred times as strong as the other."""
    result, rng = [], np.random.default_rng(0)
    for i in range(16):
        mask = torch.zeros(96, 128, dtype=torch.bool)
        side = int(rng.integers(16, 60))
        mask[10 : 10 + side, 20 : 20 + side] = True
        result.append(_case(small, (1.0, 100.0)[i % 2] * (0.1 + mask.float()), mask, str(i)))
    return result


def test_own_thresholds_gain_where_maps_differ_in_strength(squares):
    result = measures.thresholds(squares)
    for rule in ("otsu", "share_of_max", "mean_std"):
        assert result[rule]["own"][0] > 0.9, rule
        assert conclusions.verdict(result[rule]["gain"]) == "better", rule
        assert result[rule]["gain"][0] > 0.2


def test_the_global_threshold_keeps_the_same_mean_area(squares):
    heats = [c.explanation.heat() for c in squares]
    tau = measures._global(heats, 0.1)
    kept = float(np.mean([(h >= tau).double().mean() for h in heats]))
    # Ties: whole squares of one value come in together.
    assert kept >= 0.1
    rng = np.random.default_rng(0)
    rough = [torch.from_numpy(rng.random((96, 128), np.float32)) * (i + 1) for i in range(8)]
    tau = measures._global(rough, 0.1)
    assert float(np.mean([(h >= tau).double().mean() for h in rough])) == pytest.approx(0.1, abs=1e-4)


def test_the_global_threshold_keeps_places_without_evidence_all_or_not_at_all():
    sparse = torch.zeros(10, 10)
    sparse[:4] = torch.rand(4, 10) + 0.1
    assert [(sparse >= measures._global([sparse], area)).float().mean().item() for area in (0.2, 0.5, 1.0)] == (
        pytest.approx([0.2, 0.4, 1.0])
    )


def test_one_threshold_for_all_is_better_where_the_truth_is_one_value(small):
    rng, every = np.random.default_rng(1), []
    for i in range(12):
        heat = torch.from_numpy(rng.random((96, 128), np.float32)) * (0.9 + 0.02 * i)
        every.append(_case(small, heat, heat > 0.8, str(i)))
    result = measures.thresholds(every)
    assert result["percentile"]["gain"][0] < -0.05
    assert conclusions.verdict(result["percentile"]["gain"]) == "worse"


def test_maps_that_are_the_mask_reach_their_ceiling(squares):
    result = measures.localisation(squares)
    assert result["grad_cam"]["auc"][0] == 1
    assert result["grad_cam"]["count"] == 16
    assert result["ceiling"]["auc"][0] >= 0.99


@pytest.mark.parametrize(
    ("gain", "words"),
    [((0.1, 0.02, 0.2), "better"), ((-0.1, -0.2, -0.02), "worse"), ((0.1, -0.1, 0.2), "not significantly different")],
)
def test_a_difference_counts_where_its_interval_leaves_zero(gain, words):
    assert conclusions.verdict(gain) == words


def _truth(**auc: tuple[float, float, float]) -> dict:
    controls = {"random": (0.5, 0.49, 0.51), "centre_gaussian": (0.6, 0.55, 0.65)}
    return {"localisation": {name: {"auc": list(v)} for name, v in {**controls, **auc}.items()}}


@pytest.mark.parametrize(
    ("truth", "first"),
    [
        # The best by a hair, and not significantly better than the simplest.
        (_truth(grad_cam=(0.92, 0.9, 0.94), ablation_cam=(0.93, 0.91, 0.95)), "grad_cam"),
        # The best by far.
        (_truth(grad_cam=(0.8, 0.78, 0.82), ablation_cam=(0.93, 0.91, 0.95)), "ablation_cam"),
        # A method that the centred control beats is never shown first.
        (_truth(grad_cam=(0.58, 0.5, 0.66), ablation_cam=(0.61, 0.5, 0.7)), "ablation_cam"),
    ],
)
def test_first_is_the_simplest_that_is_not_significantly_worse(truth, first):
    assert conclusions.first_method({"phantom": truth}) == first


def test_a_map_unchanged_by_random_weights_is_not_shown_first():
    truth = _truth(grad_cam=(0.9, 0.88, 0.92), layer_cam=(0.85, 0.8, 0.9))
    truth["sanity"] = {"grad_cam": {"survives": 0.9}, "layer_cam": {"survives": 0.1}}
    assert conclusions.first_method({"phantom": truth}) == "layer_cam"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_command_studies_phantoms_and_says_what_it_found(small_folder, tmp_path, monkeypatch, capsys):
    from dala.commands import evaluate_explanations

    monkeypatch.setattr(evaluate_explanations, "QUICK", {"phantom": (4, 1)})
    assert main(["evaluate", "explanations", "--quick", "--phantom", str(small_folder), "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "explanations.json").read_text())
    truth = report["truths"]["phantom"]
    assert set(truth) >= {"model", "localisation", "thresholds", "areas", "faithfulness", "sanity", "stability"}
    assert set(truth["localisation"]) == {*measures.methods(), "ceiling"}
    assert truth["model"]["sha256"] == [serialization.sha256(small_folder / serialization.FILE)]
    assert report["answers"]["first"] in measures.methods()
    text = (tmp_path / "explanations.md").read_text()
    for words in ("## Conclusions", "Which method first?", "random map", "centred Gaussian"):
        assert words in text
    for name in ("localisation", "thresholds", "weights"):
        assert Image.open(tmp_path / f"explanations_{name}.png").width > 400
    assert main(["evaluate", "explanations", "--folds", str(tmp_path), "--out", str(tmp_path)]) == 2


def test_phantoms_of_the_study_are_none_that_is_trained_on(small):
    (case,) = cases.phantoms(small, 1)
    drawn = phantom.make(cases.SEED, size=(128, 96))
    assert case.explanation.picture.tobytes() == drawn.picture.tobytes()
    assert torch.equal(case.mask, torch.from_numpy(drawn.mask))


@pytest.fixture(scope="module")
def run(small, real_root, tmp_path_factory):
    """A run whose five networks are the small one, over the real patients."""
    items = datasets.read(real_root, "breakhis").items
    folder = tmp_path_factory.mktemp("run")
    (folder / "split.json").write_text(splits.make(items, k=5).to_json())
    for k in range(5):
        model = DALAResNet50(small.model.class_names, small.preprocessing)
        model.load_state_dict(small.model.state_dict())
        serialization.save(model.eval(), folder / f"fold-0-{k}")
    return folder, items


def test_mosaics_and_patches_are_of_patients_that_the_fold_held_out(run):
    folder, items = run
    first = cases.folds(folder, items, "cpu")[0]
    held = {i.patient for i in first.held}
    assert held == set(splits.read(folder / "split.json", items).partitions[0][0])
    every = [*cases.mosaics(first, 2), *cases.patches(first, 3)]
    assert len(every) == 5
    for case in every:
        assert set(case.group.split()) <= held
    patch = preprocessing.fitted_size((700, 460), first.explainer.preprocessing)
    assert every[0].explanation.picture.size == (2 * patch[0], 2 * patch[1])
    assert every[0].mask.double().mean() == 0.5
    assert every[-1].mask is None


def test_a_run_split_by_picture_is_refused(run, tmp_path):
    folder, items = run
    (tmp_path / "split.json").write_text(splits.make(items, "image", 5).to_json())
    with pytest.raises(DataError, match="have seen the patients"):
        cases.folds(tmp_path, items)
    (tmp_path / "split.json").write_text((folder / "split.json").read_text())
    with pytest.raises(DataError, match="has no network"):
        cases.folds(tmp_path, items)
