"""Every method against the library that has it, and the properties that hold for it."""

import copy
import math

import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam import (
    AblationCAM,
    EigenCAM,
    EigenGradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam.methods import GradCAMpp as TorchCamPP
from torchcam.methods import LayerCAM as TorchLayerCAM
from torchcam.methods import XGradCAM as TorchXGradCAM

from dala import cam
from dala.cam import ablation, perturbation
from dala.explain.explainer import Explainer
from dala.heatmaps import resize

GRADIENT_LINEAR = ("grad_cam", "hires_cam", "xgrad_cam")
ZERO_WITHOUT_GRADIENT = (*GRADIENT_LINEAR, "grad_cam_pp", "layer_cam", "eigen_grad_cam")
# One value per position from what stands there and from means over all positions: turning the input turns the map.
EQUIVARIANT = (*ZERO_WITHOUT_GRADIENT, "eigen_cam", "ablation_cam", "head_score_cam", "centre_gaussian")
PURE = [name for name, m in cam.METHODS.items() if not m.reruns]


class Small(nn.Module):
    """Convolutions, and a head whose gradient differs from position to position: the methods differ here."""

    def __init__(self, pools=False):
        super().__init__()
        torch.manual_seed(3)
        self.below = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.ReLU()
        )  # fmt: skip
        last = (
            nn.AdaptiveAvgPool2d(1)
            if pools
            else nn.Sequential(nn.Conv2d(16, 12, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        )
        self.head = nn.Sequential(last, nn.Flatten(), nn.Linear(16 if pools else 48, 3))
        with torch.no_grad():
            self.head[-1].bias += 5  # positive scores, by which Ablation-CAM divides

    def forward(self, x):
        return self.head(self.below(x))


@pytest.fixture(scope="module", params=[False, True], ids=["position-wise head", "pooling head"])
def net(request):
    return Small(request.param).eval()


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))


def passed(net, x, target=1, scale=1.0):
    with torch.no_grad():
        activations = net.below(x)
    _, gradient = cam.score_gradient(net.head, activations, [lambda logits: scale * logits[:, target]] * len(x))
    return activations, gradient


def signed(net, x, name, target=1, scale=1.0):
    activations, gradient = passed(net, x, target, scale)
    heads = [lambda a: scale * net.head(a)[:, target]] * len(x)
    with torch.no_grad():
        return cam.METHODS[name](activations, gradient, heads)


def displayed(raw, size):
    """pytorch-grad-cam's display scaling of the positive part."""

    def min_max(m):
        m = m - m.min()
        return m / (1e-7 + m.max())

    return torch.stack([min_max(resize.upsample(min_max(m), size)) for m in raw.relu()])


def peer(kind, net, x, target=1, **options):
    with kind(net, [net.below], **options) as extractor:
        return torch.from_numpy(extractor(x, [ClassifierOutputTarget(target)] * len(x)))


@pytest.mark.parametrize(("name", "kind"), [("layer_cam", TorchLayerCAM), ("xgrad_cam", TorchXGradCAM)])
def test_raw_maps_equal_torchcam(net, x, name, kind):
    with kind(net, net.below) as extractor:
        theirs = extractor(1, net(x), normalized=False)[0].detach()
    raw = signed(net, x, name).relu()
    assert raw.max() > 0
    assert (raw - theirs).abs().max() <= 1e-5 * theirs.max()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("hires_cam", HiResCAM), ("xgrad_cam", XGradCAM), ("layer_cam", LayerCAM), ("ablation_cam", AblationCAM)],
)
def test_displayed_maps_equal_pytorch_grad_cam(net, x, name, kind):
    # On a copy: its Ablation-CAM replaces layers. A score's sign: see the test of negative scores.
    target = int(net(x).mean(0).argmax())
    theirs = peer(kind, copy.deepcopy(net), x, target)
    assert (displayed(signed(net, x, name, target), (32, 48)) - theirs).abs().max() <= 1e-4


@pytest.mark.parametrize(("name", "kind"), [("eigen_cam", EigenCAM), ("eigen_grad_cam", EigenGradCAM)])
def test_components_equal_pytorch_grad_cam_up_to_sign(net, x, name, kind):
    theirs = peer(kind, copy.deepcopy(net), x)
    raw = signed(net, x, name)
    for i in range(len(x)):
        errors = [(displayed(sign * raw[i : i + 1], (32, 48)) - theirs[i : i + 1]).abs().max() for sign in (1, -1)]
        assert min(errors) <= 1e-4


def test_grad_cam_pp_follows_the_paper_where_the_peers_differ(net, x):
    """torchcam 0.5.0 divides a copy and so leaves out the denominator; pytorch-grad-cam adds 1e-6 to a denominator that
    is of the size of the squared gradient. With large gradients the latter is the paper's equation 19, and ours."""
    loud = copy.deepcopy(net)
    with torch.no_grad():
        loud.head[-1].weight *= 1e4
    theirs = peer(GradCAMPlusPlus, copy.deepcopy(loud), x)
    assert (displayed(signed(loud, x, "grad_cam_pp"), (32, 48)) - theirs).abs().max() <= 1e-4
    with TorchCamPP(loud, loud.below) as extractor:
        without = extractor(1, loud(x), normalized=False)[0].detach()
    activations, gradient = passed(loud, x)
    weights = (gradient**2 * gradient.relu()).sum((2, 3))
    torch.testing.assert_close(without, torch.einsum("nc,nchw->nhw", weights, activations).relu(), rtol=1e-4, atol=0)
    raw = signed(loud, x, "grad_cam_pp").relu()
    assert (raw / raw.max() - without / without.max()).abs().max() > 1e-3


def test_grad_cam_pp_is_equation_19_by_hand():
    activations = torch.tensor([[[[1.0, 2.0]], [[0.5, 0.0]]]])
    gradient = torch.tensor([[[[0.3, -0.2]], [[0.4, 0.1]]]])
    expected = torch.zeros(1, 2)
    for k in range(2):
        total, weight = activations[0, k].sum(), 0.0
        for g in gradient[0, k, 0]:
            weight += (g**2 / (2 * g**2 + g**3 * total)) * max(g, 0)
        expected += weight * activations[0, k]
    torch.testing.assert_close(cam.METHODS["grad_cam_pp"](activations, gradient, [])[0], expected)


def test_grad_cam_pp_is_equation_19_for_negative_activations():
    activations, gradient = -torch.ones(1, 2, 4, 4), torch.full((1, 2, 4, 4), 0.5)
    # alpha = 0.25 / (0.5 - 0.125 * 16) = -1/6; weight = 16 * alpha * 0.5; map = sum_k weight * -1
    expected = 2 * 16 * 0.5 / 6
    torch.testing.assert_close(cam.METHODS["grad_cam_pp"](activations, gradient, []), torch.full((1, 4, 4), expected))


def test_components_are_the_same_by_either_gram_matrix_and_have_a_sign():
    generator = torch.Generator().manual_seed(4)
    for c, h, w in ((40, 3, 4), (5, 9, 8)):
        a = torch.rand(1, c, h, w, generator=generator)
        x = (a[0].flatten(1) - a[0].flatten(1).mean(1, keepdim=True)).T
        u, s, _ = torch.linalg.svd(x, full_matrices=False)
        ours = cam.METHODS["eigen_cam"](a, a, [])[0].flatten()
        expected = u[:, 0] * s[0]
        assert min((ours - expected).abs().max(), (ours + expected).abs().max()) <= 1e-4 * expected.abs().max()
    # Two channels that mirror each other: their mean is flat, and the component still is no zero.
    z = torch.rand(1, 1, 5, 5, generator=generator)
    assert cam.METHODS["eigen_cam"](torch.cat([z, 1 - z], 1), z, []).abs().max() > 0.1


def test_a_quiet_head_that_does_not_pool_is_not_taken_for_one_that_does(x):
    net = Small().eval()
    activations = net.below(x[:1]).detach()
    assert not ablation.pools_first(
        lambda a: 1e-5 * nn.functional.conv2d(a, torch.ones(1, 16, 3, 3), padding=1).relu().amax((1, 2, 3)), activations
    )


def test_a_negative_score_does_not_turn_ablation_around():
    # Channel 0 raises the score from -3 to -2, channel 1 lowers it: evidence for is channel 0.
    activations = torch.ones(1, 2, 1, 2)
    head = lambda a: a.mean((2, 3)) @ torch.tensor([1.0, -0.5]) - 3  # noqa: E731
    assert cam.METHODS["ablation_cam"](activations, activations, [head]).min() > 0


def test_occlusion_equals_captum(net, x):
    explainer = Explainer(net, features=net.below, head=net.head, class_names="abc")
    activations = net.below(x).detach()
    networks = [lambda v: explainer.engine.network(v)[:, 1]] * 2
    ours = perturbation.occlusion(x, activations, networks, lambda done, total: None)
    # Eight rows of four pixels, twelve columns of four.
    theirs = Occlusion(net).attribute(x, sliding_window_shapes=(3, 4, 4), strides=(3, 4, 4), target=1)
    cells = theirs[:, 0, ::4, ::4]
    assert ours.shape == (2, 8, 12)
    # A cell is a difference of two scores, each of which is rounded.
    assert (ours - cells).abs().max() <= 1e-5 * cells.abs().max() + 1e-6 * networks[0](x).abs().max()


def test_score_cam_equals_pytorch_grad_cam_but_for_its_corners(net, x):
    """pytorch-grad-cam upsamples the masks with aligned corners, we as everywhere; on a map as large as the input the
    two are the same."""
    same = nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU())
    whole = nn.Module()
    whole.below, whole.head = same, nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3))
    model = nn.Sequential(whole.below, whole.head).eval()
    with ScoreCAM(model, [model[0]]) as extractor:
        theirs = torch.from_numpy(extractor(x, [ClassifierOutputTarget(1)] * 2))
    with torch.no_grad():
        networks = [lambda v: model(v)[:, 1]] * 2
        ours = perturbation.score_cam(x, model[0](x), networks, lambda done, total: None)
    assert (displayed(ours, (32, 48)) - theirs).abs().max() <= 1e-4


def test_progress_counts_up_and_cancels(net, x):
    seen = []
    activations = net.below(x).detach()
    networks = [lambda v: net(v)[:, 1]] * 2
    with torch.no_grad():
        for name in ("score_cam", "occlusion"):
            seen.clear()
            cam.METHODS[name](x, activations, networks, lambda done, total: seen.append((done, total)))
            assert [d for d, _ in seen] == sorted(d for d, _ in seen)
            assert seen[-1][0] == seen[-1][1]

        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            perturbation.score_cam(x, activations, networks, stop)


def test_the_shortcut_of_a_pooling_head_is_exact(x, monkeypatch):
    net = Small(pools=True).eval()
    assert ablation.pools_first(lambda a: net.head(a)[:, 1], net.below(x[:1]))
    assert not ablation.pools_first(lambda a: Small().head(a)[:, 1], Small().below(x[:1]))
    for name in ("ablation_cam", "head_score_cam"):
        short = signed(net, x, name)
        with monkeypatch.context() as patch:
            patch.setattr(ablation, "pools_first", lambda head, a: False)
            long = signed(net, x, name)
        torch.testing.assert_close(short, long, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", GRADIENT_LINEAR)
@given(scale=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_scaling_the_logits_scales_the_map(name, scale):
    # Not the others: ++ has the gradient below a fraction line, LayerCAM cuts off what is negative, Eigen and Score-CAM
    # normalise, Ablation is relative.
    net, x = Small().eval(), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        signed(net, x, name, scale=scale), scale * signed(net, x, name), rtol=1e-3, atol=1e-5 * scale
    )


SEEDS = st.integers(0, 2**31 - 1)


@pytest.mark.parametrize("name", ZERO_WITHOUT_GRADIENT)
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_zero_gradient_gives_a_zero_map(name, seed):
    # Not Eigen-CAM, which has no class, nor those that ask the head, nor the controls.
    activations = torch.rand(2, 4, 3, 5, generator=torch.Generator().manual_seed(seed))
    assert cam.METHODS[name](activations, torch.zeros_like(activations), []).abs().max() == 0


@pytest.mark.parametrize("name", EQUIVARIANT)
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_flipping_the_input_flips_the_map(name, seed):
    # A 1x1 network is equivariant. Not the random control.
    torch.manual_seed(5)
    net = nn.Module()
    net.below = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU())
    net.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    x = torch.randn(1, 3, 8, 10, generator=torch.Generator().manual_seed(seed))
    expected = signed(net, x, name).flip(2)
    assert (signed(net, x.flip(3), name) - expected).abs().max() <= 1e-3 * expected.abs().max() + 1e-7


@pytest.mark.parametrize("name", PURE)
@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_batch_is_its_singles(name, seed):
    for net in (Small(False).eval(), Small(True).eval()):
        x = torch.randn(3, 3, 32, 48, generator=torch.Generator().manual_seed(seed))
        together = signed(net, x, name)
        alone = torch.cat([signed(net, x[i : i + 1], name) for i in range(3)])
        assert together.shape == (3, 8, 12)
        assert (together - alone).abs().max() <= 1e-3 * together.abs().max() + 1e-7


def test_the_controls_depend_on_nothing():
    activations = torch.rand(2, 4, 5, 7)
    noise, centre = (cam.METHODS[n](activations, activations, []) for n in ("random", "centre_gaussian"))
    assert torch.equal(noise, cam.METHODS["random"](activations * 9, activations, []))
    assert torch.equal(noise[0], noise[1])
    assert divmod(int(centre[0].argmax()), 7) == (2, 3)
    torch.testing.assert_close(centre, centre.flip(1))
    assert centre[0, 2, 0] == pytest.approx(math.exp(-2 * (6 / 7) ** 2))


def test_every_method_states_its_source():
    for name, m in cam.METHODS.items():
        assert m.title
        assert m.paper, name
        assert m.function.__doc__
    assert {n for n, m in cam.METHODS.items() if m.reruns} == {"score_cam", "occlusion"}
