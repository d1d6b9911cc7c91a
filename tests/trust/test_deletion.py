"""Keep-only and remove-only against hand-worked pictures, a naive loop, and other libraries."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

from dala import Explainer
from dala.heatmaps import thresholds
from dala.images import preprocessing
from dala.images.preprocessing import Preprocessing
from dala.models.dala_resnet import DALAResNet50
from dala.publishing import samples
from dala.trust import deletion, infill
from dala.trust.deletion import AREAS, TrustError, keep_remove
from dala.trust.infill import INFILLS, ranking

SIZE = 32


class Brightness(nn.Module):
    """Logits (sum of all pixels of the first channel, 0): hiding a pixel under black takes its own value away."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def below(self, x):
        return x[:, :1]

    def head(self, a):
        total = a.sum((1, 2, 3)) / SIZE
        return torch.stack([total, torch.zeros_like(total)], 1)


@pytest.fixture
def toy() -> Explainer:
    net = Brightness().eval()
    plain = Preprocessing(SIZE, SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return Explainer(net, features=net.below, head=net.head, class_names="ab", preprocessing=plain)


@pytest.fixture
def ramp() -> np.ndarray:
    """Four rows of values, in the order of whose Grad-CAM rows are shown: the map of `Brightness` is the picture."""
    values = np.zeros((SIZE, SIZE, 3), np.uint8)
    values[:8], values[8:16], values[16:24] = 204, 51, 153
    return values


def test_hand_worked_pictures(toy, ramp):
    e = toy.explain(ramp, "a")
    result = keep_remove(toy, e, areas=(0, 0.25, 0.5, 0.75, 1), baseline="white")
    # Each quarter of the area holds 256 pixels; a hidden one is white and counts 1.
    bright, middle, dim, dark = (256 * v / SIZE for v in (0.8, 0.6, 0.2, 0.0))
    white = 256 / SIZE
    keep = [4 * white, bright + 3 * white, bright + middle + 2 * white, bright + middle + dim + white]
    remove = [bright + middle + dim + dark, white + middle + dim + dark, 2 * white + dim + dark, 3 * white + dark]
    assert result.areas == (0, 0.25, 0.5, 0.75, 1)
    assert result.curves["grad_cam"].keep_logits == pytest.approx([*keep, remove[0]], rel=1e-6)
    assert result.curves["grad_cam"].remove_logits == pytest.approx([*remove, keep[0]], rel=1e-6)
    expected = [1 / (1 + np.exp(-logit)) for logit in [*keep, remove[0]]]
    assert result.curves["grad_cam"].keep == pytest.approx(expected, rel=1e-6)
    assert result.runs == 7


def test_the_whole_picture_is_what_the_explanation_says(small, patch):
    e = small.explain(patch)
    for baseline in INFILLS:
        curve = keep_remove(small, e, areas=(0, 0.5, 1), baseline=baseline).curves["grad_cam"]
        column = e.class_names.index(e.target)
        assert curve.keep[-1] == curve.remove[0] == e.probabilities[e.target]
        assert curve.keep_logits[-1] == curve.remove_logits[0] == float(e.logits[column])
        assert curve.keep[0] == curve.remove[-1]


def test_the_temperature_is_the_explanations(toy, ramp):
    toy.model.temperature = 4.0
    e = toy.explain(ramp, "a")
    curve = keep_remove(toy, e, areas=(0.5,), baseline="white").curves["grad_cam"]
    assert curve.keep[0] == pytest.approx(1 / (1 + np.exp(-curve.keep_logits[0] / 4)))


@pytest.mark.slow
def test_chunks_change_nothing(small, patch):
    e = small.explain(patch)
    runs = [keep_remove(small, e, controls=True, chunk=chunk) for chunk in (1, 3, 8)]
    for name in runs[0].curves:
        sides = [np.array([run.curves[name].keep, run.curves[name].remove]) for run in runs]
        assert max(np.abs(side - sides[0]).max() for side in sides) <= 1e-6


@pytest.mark.parametrize("baseline", INFILLS)
def test_a_naive_loop_agrees(small, patch, baseline):
    """Thresholds instead of ranks, 8-bit pictures instead of tensors, one explanation after the other."""
    e = small.explain(patch, methods=("random",))  # a map without equal values, so that each area has a threshold
    result = keep_remove(small, e, baseline=baseline)
    picture, fill = np.asarray(e.picture), np.asarray(INFILLS[baseline].fill(e.picture))
    heat, compared = e.heat(), 0
    for area, tau, keep, remove in zip(
        result.areas, thresholds.taus_of_areas(heat, AREAS), *_sides(result, "random"), strict=True
    ):
        if tau is None:
            continue
        mask = (heat.numpy() >= tau)[..., None]
        assert mask.mean() == area
        for shown, chance in ((mask, keep), (~mask, remove)):
            one = small.explain(Image.fromarray(np.where(shown, picture, fill)), zoom=1.0)
            assert one.probabilities[e.target] == pytest.approx(chance, abs=1e-5)
            compared += 1
    assert compared >= 16


def _sides(result, method):
    return result.curves[method].keep, result.curves[method].remove


def test_pixels_go_in_the_order_of_the_map_then_of_what_was_cut_off():
    heat = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 2.0]])
    signed = torch.tensor([[-1.0, 2.0, -3.0], [1.0, -2.0, 2.0]])
    order = ranking(heat, signed).tolist()
    assert set(order[:2]) == {1, 5}
    assert order[2:] == [3, 0, 4, 2]


def test_full_ties_prefer_no_corner_and_are_the_same_at_every_call():
    flat = torch.ones(40, 60)
    order = ranking(flat, flat)
    assert torch.equal(order, ranking(flat, flat))
    assert sorted(order.tolist()) == list(range(2400))
    first = order[:600]
    assert 0.4 < (first // 60 < 20).double().mean() < 0.6
    assert 0.4 < (first % 60 < 30).double().mean() < 0.6


def test_a_kept_region_is_the_mask_of_the_threshold_that_keeps_as_much(small, patch):
    e = small.explain(patch)
    kept = e.threshold("percentile", 80)
    order = ranking(e.heat(), e.heat())
    count = int(kept.mask.sum())
    mask = torch.zeros(kept.mask.numel(), dtype=torch.bool)
    mask[order[:count]] = True
    assert torch.equal(mask.view_as(kept.mask), kept.mask)


def test_controls_are_measured_at_the_same_areas(small, patch):
    e = small.explain(patch)
    result = keep_remove(small, e, areas=(0, 0.3, 1), controls=True)
    assert list(result.curves) == ["grad_cam", "random", "centre_gaussian"]
    assert len({curve.keep[0] for curve in result.curves.values()}) == 1
    assert len({curve.keep[1] for curve in result.curves.values()}) == 3
    assert result.runs == 1 + 3 * 2
    # Of an explanation that kept no gradient, as a page's, too.
    random = small.explain(patch, methods=("random",))
    own = keep_remove(small, random, areas=(0, 0.3, 1))
    assert own.curves["random"].keep == pytest.approx(result.curves["random"].keep, abs=1e-6)


def test_between_measured_areas_lies_a_line(small, patch):
    result = keep_remove(small, small.explain(patch), areas=(0.25, 0.75))
    curve = result.curves["grad_cam"]
    quarter = result.at(0.375)
    assert quarter == pytest.approx(
        (0.75 * curve.keep[0] + 0.25 * curve.keep[1], 0.75 * curve.remove[0] + 0.25 * curve.remove[1])
    )
    assert result.at(0.25) == (curve.keep[0], curve.remove[0])
    with pytest.raises(TrustError, match="measured from 25 to 75 %, not at 80 %"):
        result.at(0.8)


def test_progress_counts_up_and_what_it_raises_cancels(small, patch):
    e, seen = small.explain(patch), []
    keep_remove(small, e, areas=(0, 0.5, 1), chunk=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3)]

    def enough(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_remove(small, e, progress=enough)


def test_steps_run_the_network_lazily(small, patch, monkeypatch):
    e, calls = small.explain(patch), []
    network = small.engine.network
    monkeypatch.setattr(small.engine, "network", lambda x, *rest: calls.append(len(x)) or network(x))
    going = deletion.steps(small, e, chunk=2)
    assert next(going) == (2, 31)
    going.close()
    assert calls == [2]


def test_a_small_gpu_gets_halves(small, patch, monkeypatch):
    e, network, calls = small.explain(patch), small.engine.network, []

    def tight(x, *rest):
        calls.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError
        return network(x)

    expected = keep_remove(small, e, areas=(0, 0.5, 1)).curves
    monkeypatch.setattr(small.engine, "network", tight)
    result = keep_remove(small, e, areas=(0, 0.5, 1)).curves
    assert calls == [3, 2, 1]
    np.testing.assert_allclose(result["grad_cam"].keep, expected["grad_cam"].keep, atol=1e-6)

    def full(x, *rest):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(small.engine, "network", full)
    with pytest.raises(TrustError, match="memory is too small"):
        keep_remove(small, e, areas=(0, 0.5, 1))


def test_baselines_are_what_they_say(patch):
    picture = np.asarray(patch).astype(float)
    made = {name: np.asarray(b.fill(patch)).astype(float) for name, b in INFILLS.items()}
    assert {m.shape for m in made.values()} == {picture.shape}
    assert (made["white"] == 255).all()
    assert np.abs(made["mean"] - picture.mean((0, 1))).max() <= 0.5
    assert made["mean"].std((0, 1)).max() == 0
    # Colours stay where they are; what changes from one pixel to the next is gone.
    assert made["blur"].std((0, 1)).max() > 1
    fine = {name: np.abs(np.diff(m, axis=1)).mean() for name, m in (*made.items(), ("picture", picture))}
    assert fine["blur"] < fine["picture"] / 5
    assert infill.DEFAULT_INFILL in INFILLS


def test_invalid_arguments_are_refused(toy, ramp, small, patch):
    e = toy.explain(ramp, "a")
    for arguments, words in (
        ({"method": "layer_cam"}, "holds no map 'layer_cam'"),
        ({"baseline": "pink"}, "no baseline 'pink': choose one of mean, blur, white"),
        ({"areas": ()}, "shares from 0 to 1"),
        ({"areas": (0.5, 0.5)}, "shares from 0 to 1"),
        ({"areas": (0, 1.5)}, "shares from 0 to 1"),
        ({"areas": (0, float("nan"), 1)}, "shares from 0 to 1"),
        ({"chunk": 0}, "at least 1"),
    ):
        with pytest.raises(TrustError, match=words):
            keep_remove(toy, e, **arguments)
    with pytest.raises(TrustError, match="'benign over malignant' is none"):
        keep_remove(small, small.explain(patch, ("benign", "malignant")))
    dark = toy.explain(np.zeros((SIZE, SIZE, 3), np.uint8), "a")
    with pytest.raises(TrustError, match="Grad-CAM for a is zero everywhere"):
        keep_remove(toy, dark)


@pytest.mark.parametrize("steps", [5, 20])
def test_deletion_and_insertion_are_torchcams(small, patch, steps):
    # Its ranking takes no second look at what speaks against the class: a map without equal values is compared.
    e = small.explain(patch, "malignant")
    noise = torch.rand(e.heat().shape, generator=torch.Generator().manual_seed(1))
    whole = replace(e, signed={"grad_cam": e.heat() + 0.1 + e.heat().max() * noise})
    x = small.preprocess(patch)
    baseline = preprocessing.normalised(INFILLS["mean"].fill(e.picture), small.preprocessing)
    metric = DeletionInsertionMetric(
        _Fixed(small, whole.maps["grad_cam"]), _probabilities, steps=steps, baseline=baseline
    )
    metric.update(x, class_idx=1)
    pixels = patch.width * patch.height
    size = -(-pixels // steps)
    areas = [count / pixels for count in (*range(0, pixels, size), pixels)]
    result = keep_remove(small, whole, areas=areas, baseline="mean")
    expected = metric.summary()
    assert result.deletion() == pytest.approx(expected["deletion_auc"], abs=1e-5)
    assert result.insertion() == pytest.approx(expected["insertion_auc"], abs=1e-5)


def test_average_drop_and_increase_are_torchcams(small, patch, monkeypatch):
    # Hidden is zero after normalisation: the mean colour, here of whole values.
    colour = tuple(round(255 * m) for m in small.preprocessing.mean)
    whole = replace(small.preprocessing, mean=tuple(c / 255 for c in colour))
    model = DALAResNet50(small.class_names, whole)
    model.load_state_dict(small.model.state_dict())
    exact = Explainer(model.eval(), device="cpu")
    grey = infill.Infill(lambda p: Image.new("RGB", p.size, colour), "", "")
    monkeypatch.setitem(INFILLS, "grey", grey)
    e = exact.explain(patch, "malignant", methods=("grad_cam", "centre_gaussian"))
    for name in e.maps:
        result = deletion.weighted(exact, e, name, baseline="grey")
        # Maps of the input's size: scaled up afterwards, their maximum would be a little below 1.
        metric = ClassificationMetric(_Fixed(exact, e.heat(name)), _probabilities)
        metric.update(exact.preprocess(patch), class_idx=1)
        assert result.drop == pytest.approx(metric.summary()["avg_drop"], abs=1e-4)
        assert result.increase == bool(metric.summary()["conf_increase"])


@pytest.mark.slow
def test_half_precision_moves_an_area_by_less_than_a_hundredth(explainer):
    e = explainer.explain(samples.find()[0].file, "malignant")
    exact, brief = (keep_remove(explainer, e, areas=(0, 0.1, 0.4, 1), half=half) for half in (False, True))
    assert brief.curves != exact.curves
    assert brief.deletion() == pytest.approx(exact.deletion(), abs=0.01)
    assert brief.insertion() == pytest.approx(exact.insertion(), abs=0.01)


@pytest.mark.parametrize("baseline", ["mean", "blur", "white"])
def test_under_roads_imputation_maps_stand_in_the_same_order(toy, baseline):
    """Whatever hides the pixels, the map that knows the evidence wins, and the one that knows it backwards loses.

    ROAD (Rong et al. 2022, arXiv 2202.00449) fills the hidden pixels in from their neighbours, with noise.
    """
    yy, xx = np.mgrid[:SIZE, :SIZE]
    noise = np.random.default_rng(0).normal(0, 6, (SIZE, SIZE))
    spot = np.exp(-((xx - 10) ** 2 + (yy - 21) ** 2) / 60)
    picture = np.repeat(np.clip(60 + 150 * spot + noise, 0, 255).astype(np.uint8)[..., None], 3, 2)
    e = toy.explain(picture, "a")
    beside, far = (np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 60) for x, y in ((14, 17), (24, 6)))
    maps = [torch.from_numpy(m.astype(np.float32) + 0.01) for m in (spot, beside, far, 1 - spot)]
    x, road, ours = toy.preprocess(e.picture), ROADCombined(list(range(10, 100, 10))), []
    for heat in maps:
        result = keep_remove(toy, replace(e, signed={"grad_cam": heat}), baseline=baseline)
        ours.append(result.insertion(scale="margin") - result.deletion(scale="margin"))
    torch.manual_seed(0)
    theirs = [
        float(road(x, heat[None].numpy(), [ClassifierOutputTarget(0)], lambda x: toy.model.head(toy.model.below(x)))[0])
        for heat in maps
    ]
    assert ours == sorted(ours, reverse=True)
    assert theirs == sorted(theirs, reverse=True)
    assert ours[0] > 0 > ours[-1]
    assert theirs[0] > 0 > theirs[-1]


def _probabilities(logits):
    return logits.softmax(1)


class _Fixed:
    """A map with the interface of torchcam's extractors."""

    def __init__(self, explainer, raw):
        self.model, self.raw = explainer.model, raw

    def __call__(self, *_, **__):
        return [(self.raw / self.raw.max())[None]]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return nullcontext()
