"""Maps under weights made random from the head down."""

import pytest
import torch

from dala import DALAResNet50
from dala.heatmaps.similarity import rank_correlation
from dala.trust.randomization import ORDER, Sanity, SanityError, null, sane


@pytest.fixture(scope="module")
def results(small, patch) -> dict[str, Sanity]:
    return sane(small, small.explain(patch, "malignant", methods=("grad_cam", "eigen_cam", "centre_gaussian")))


def test_the_steps_go_from_the_head_down(results):
    assert [s.stage for s in results["grad_cam"].steps] == list(ORDER)
    assert ORDER[0] == "head"
    assert ORDER[-1] == "stem"


def test_a_control_survives_and_fails(results):
    control = results["centre_gaussian"]
    assert all(s.correlation == pytest.approx(1) for s in control.steps)
    assert control.survives
    assert "fails" in control.words()


def test_a_method_without_the_head_does_not_react_to_it(results):
    eigen = results["eigen_cam"]
    assert eigen.steps[0].correlation == pytest.approx(1, abs=1e-6)
    assert [s.stage for s in eigen.steps if s.blind] == ["head"]
    assert "does not use the head" in eigen.words()
    assert not any(s.blind for s in results["grad_cam"].steps)
    assert results["grad_cam"].steps[0].correlation < 0.99


def test_the_same_seed_gives_the_same_and_the_network_is_left_alone(small, patch):
    before = {k: v.clone() for k, v in small.model.state_dict().items()}
    e = small.explain(patch, "malignant")
    one, same, other = (sane(small, e, seed=s)["grad_cam"] for s in (0, 0, 1))
    assert [s.correlation for s in one.steps] == [s.correlation for s in same.steps]
    assert [s.correlation for s in one.steps] != [s.correlation for s in other.steps]
    assert all(torch.equal(v, before[k]) for k, v in small.model.state_dict().items())
    assert not any(p.grad is not None for p in small.model.parameters())


def test_a_step_is_the_whole_network_with_those_weights(small, patch):
    # The last step computed in another way: everything random, batch-norm on the four flips, one plain explanation.
    from dala.images import preprocessing
    from dala.models.dala_resnet import STAGES
    from dala.trust.randomization import _randomize

    e = small.explain(patch, "malignant")
    network = DALAResNet50(small.model.class_names, small.preprocessing)
    network.load_state_dict(small.model.state_dict())
    network.eval()
    for done, stage in enumerate(ORDER, 1):
        _randomize(network, stage, done)
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.train().momentum = 1.0
    x = preprocessing.normalised(e.picture, small.preprocessing)
    with torch.no_grad():
        a = torch.cat([x, x.flip(2), x.flip(3), x.flip(2, 3)])
        for stage in STAGES:
            a = getattr(network, stage)(a)
        expected = a[:1]
    gradient = torch.func.grad(lambda v: network.head(v)[0, 1])(expected)
    raw = torch.einsum("c,chw->hw", gradient.mean((2, 3))[0], expected[0]).relu()
    got = sane(small, e)["grad_cam"].steps[-1]
    # The running variance is the unbiased one, and the cascade recalibrates step by step: a little may differ.
    assert rank_correlation(torch.stack([raw, got.raw]))[0, 1] > 0.95


def test_the_null_is_of_maps_as_smooth_as_this_one():
    y, x = torch.meshgrid(torch.linspace(0, 6.28, 15), torch.linspace(0, 6.28, 22), indexing="ij")
    smooth = (y.sin() + (x + y).cos()).relu()
    rough = torch.rand(15, 22, generator=torch.Generator().manual_seed(0))
    limits = [float(null(m).quantile(0.95)) for m in (rough, smooth)]
    # Neighbours alike: fewer independent places, and chance agreements are larger.
    assert limits[0] < limits[1] < 1
    assert abs(float(null(rough).mean())) < 0.02


def test_unsupported_maps_are_refused(small, patch):
    with pytest.raises(SanityError, match="explain a class"):
        sane(small, small.explain(patch, ("malignant", "benign")))
    with pytest.raises(SanityError, match="explain that layer"):
        sane(small, small.explain(patch, "malignant", layer="layer3"))
    with pytest.raises(SanityError, match="holds no map"):
        sane(small, small.explain(patch, "malignant"), ["layer_cam"])
