"""Layers, targets, evidence, other networks, batches and memory: the explainer beyond one Grad-CAM."""

import copy

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PIL import Image
from torch import nn
from torchcam.methods import GradCAM as TorchCam
from torchvision.models import densenet121, resnet18, vgg16

from dala import DALAResNet50, Explainer, cam
from dala.cam.targets import TargetError
from dala.explain.engine import Engine, folded
from dala.explain.explainer import ExplainError
from dala.images.preprocessing import Preprocessing
from dala.phantoms import phantom
from dala.publishing import samples

SEVEN = ("grad_cam", "grad_cam_pp", "hires_cam", "xgrad_cam", "layer_cam", "eigen_cam", "eigen_grad_cam")


@pytest.fixture(scope="module")
def unfolded(small):
    return small.model


class Upper(nn.Module):
    """A stage as a module of its own, so that captum can hook it."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage

    def forward(self, x):
        return self.stage(x)


@pytest.mark.parametrize("layer", ["stem", "layer1", "layer2", "layer3", "layer4", "attention"])
def test_every_layer_equals_captum(small, unfolded, patch, layer):
    names = list(small.layers)
    below = [getattr(unfolded, n) for n in names[: names.index(layer) + 1]]
    net = nn.Sequential(
        Upper(lambda x: [x := f(x) for f in below][-1]), Upper(small_rest(unfolded, names, layer))
    )  # fmt: skip
    x = small.preprocess(patch).contiguous(memory_format=torch.channels_last)
    theirs = LayerGradCam(net, net[0]).attribute(x, 1).detach()[0, 0]
    engine = Engine({name: getattr(unfolded, name) for name in names}, unfolded.head, torch.device("cpu"))
    done = engine.run(x, (layer,), lambda logits: [("malignant", lambda v: v[:, 1])])
    exact = cam.METHODS["grad_cam"](done.activations[layer], done.gradients[layer], [])[0]
    assert exact.shape == theirs.shape
    # At the stem positions cancel in the mean gradient, and what is left shows where sums were rounded.
    assert (exact - theirs).abs().max() <= (5e-3 if layer == "stem" else 1e-5) * theirs.abs().max()
    # Folded, sums are rounded elsewhere: the lower the layer, the more of them, and on some processors with one thread
    # layer1 is off by 5e-4.
    ours = small.explain(patch, "malignant", layer=layer).signed["grad_cam"]
    folded_error = {"stem": 5e-3, "layer1": 1e-3, "layer2": 1e-3}.get(layer, 1e-4)
    assert (ours - exact).abs().max() <= folded_error * exact.abs().max()


def small_rest(model, names, layer):
    def rest(x):
        for name in names[names.index(layer) + 1 :]:
            x = getattr(model, name)(x)
        return model.head(x)

    return rest


def test_several_layers_share_one_forward_pass(small, patch, monkeypatch):
    runs = []
    stem = small.engine.stages["stem"]
    monkeypatch.setitem(small.engine.stages, "stem", lambda x: [runs.append(1), stem(x)][1])
    together = small.explain_layers(patch, ("layer3", "layer4", "attention"), "malignant", methods=SEVEN)
    assert runs == [1]
    for layer, e in together.items():
        alone = small.explain(patch, "malignant", methods=SEVEN, layer=layer)
        assert e.layer == layer
        for name in SEVEN:
            torch.testing.assert_close(e.signed[name], alone.signed[name], rtol=1e-3, atol=1e-6)


def test_methods_coincide_at_the_last_layer_and_differ_at_layer3(small, patch):
    same = small.explain(patch, "malignant", methods=SEVEN)
    assert ["grad_cam", "hires_cam", "xgrad_cam"] in same.coinciding()
    assert same.coincidence() == (
        "Grad-CAM, HiResCAM and XGrad-CAM are the same map at attention, because the head pools globally first: "
        "the gradient is equal everywhere."
    )
    assert ["grad_cam", "hires_cam", "xgrad_cam"] in small.explain(
        patch, "malignant", methods=SEVEN, layer="layer4"
    ).coinciding()
    apart = small.explain(patch, "malignant", methods=SEVEN, layer="layer3")
    assert all(len(group) == 1 for group in apart.coinciding())
    assert apart.coincidence() == ""


def test_maps_that_are_merely_empty_do_not_coincide(small):
    white = Image.new("RGB", (128, 96), "white")  # no evidence for malignant
    e = small.explain(white, "malignant", methods=("grad_cam", "hires_cam", "ablation_cam"))
    assert e.maps["grad_cam"].max() == e.maps["ablation_cam"].max() == 0
    assert e.coinciding() == [["grad_cam", "hires_cam"], ["ablation_cam"]]


def test_evidence_against_is_the_score_turned_around(small, patch):
    linear = ("grad_cam", "hires_cam", "xgrad_cam")
    for_it = small.explain(patch, "malignant", methods=(*linear, "layer_cam"))
    against = small.explain(patch, "malignant", methods=(*linear, "layer_cam"), evidence="against")
    for name in linear:
        torch.testing.assert_close(against.signed[name], -for_it.signed[name])
        torch.testing.assert_close(for_it.maps[name] - against.maps[name], for_it.signed[name])
    assert against.words() == "against malignant"
    assert not torch.equal(against.maps["layer_cam"], for_it.maps["layer_cam"])


def test_targets(small, patch):
    benign, malignant = (small.explain(patch, name) for name in ("benign", "malignant"))
    margin = small.explain(patch, ("malignant", "benign"))
    assert margin.target == "malignant over benign"
    torch.testing.assert_close(margin.signed["grad_cam"], malignant.signed["grad_cam"] - benign.signed["grad_cam"])
    assert torch.equal(small.explain(patch, 1).signed["grad_cam"], malignant.signed["grad_cam"])

    def twice(logits):
        return 2 * logits[:, 0]

    own = small.explain(patch, twice)
    assert own.target == "twice"
    torch.testing.assert_close(own.signed["grad_cam"], 2 * benign.signed["grad_cam"])
    assert torch.equal(small.explain(patch, np.int64(1)).signed["grad_cam"], malignant.signed["grad_cam"])
    for wrong in ("cancer", 2, -1, ("malignant", "cancer"), ("a", "b", "c"), ["malignant"], 0.5):
        with pytest.raises(TargetError, match="no class"):
            small.explain(patch, wrong)
    for shape in (lambda v: v[:, 1].sum(), lambda v: v[:, 1:], lambda v: 1.0):
        with pytest.raises(TargetError, match="A score must"):
            small.explain(patch, shape)


def test_a_score_that_depends_on_nothing_has_an_empty_map(small, patch):
    e = small.explain(patch, lambda logits: torch.ones(len(logits)))
    assert e.maps["grad_cam"].max() == 0


def test_retarget_keeps_methods_and_layer(small, patch):
    first = small.explain(patch, "malignant", methods=SEVEN, layer="layer3")
    second = small.retarget(first, ("benign", "malignant"), evidence="against")
    direct = small.explain(patch, ("benign", "malignant"), methods=SEVEN, layer="layer3", evidence="against")
    for name in SEVEN:
        torch.testing.assert_close(second.signed[name], direct.signed[name], rtol=1e-3, atol=1e-6)
    assert second.layer == "layer3"


def test_methods_that_rerun_report_and_can_be_cancelled(small, patch):
    seen = []
    e = small.explain(
        patch, "malignant", methods=("grad_cam", "occlusion"), progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (12, 12)
    assert e.signed["occlusion"].shape == (3, 4)

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        small.explain(patch, "malignant", methods=("score_cam",), progress=stop)


def test_a_batch_of_mixed_shapes_comes_in_order(small):
    sizes = [(128, 96), (96, 128), (128, 96), (110, 110), (96, 128)]
    pictures = [phantom.make(i, size=size).picture for i, size in enumerate(sizes)]
    wanted = ["malignant", "benign", None, ("malignant", "benign"), 0]
    together = small.explain_batch(pictures, wanted, methods=SEVEN, chunk=2)
    for picture, target, e in zip(pictures, wanted, together, strict=True):
        alone = small.explain(picture, target, methods=SEVEN)
        assert e.target == alone.target
        assert e.picture.size == alone.picture.size
        for name in SEVEN:
            torch.testing.assert_close(e.signed[name], alone.signed[name], rtol=1e-3, atol=1e-5)
    assert small.explain_batch([]) == []
    with pytest.raises(ExplainError, match="one target"):
        small.explain_batch(pictures, ["malignant"])
    # One result does not keep the others' feature maps alive.
    assert together[0].activations.untyped_storage().nbytes() == together[0].activations.numel() * 4


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vgg16"])
def test_any_network_given_its_split_point(name, patch):
    torch.manual_seed(0)
    net = {"resnet18": resnet18, "densenet121": densenet121, "vgg16": vgg16}[name](weights=None, num_classes=4).eval()
    with torch.no_grad():  # statistics of its own inputs, else random activations vanish or explode
        net.train()
        net(torch.randn(8, 3, 64, 64))
        net.eval()
    if name == "resnet18":
        layer, head = net.layer4, lambda a: net.fc(a.mean((2, 3)))
        below = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4)
    elif name == "densenet121":
        below, layer = net.features, net.features.norm5
        head = lambda a: net.classifier(a.relu().mean((2, 3)))  # noqa: E731
    else:
        below, layer = net.features, net.features[28]
        # The head begins with an in-place ReLU.
        below, head = net.features[:29], lambda a: net.classifier(net.avgpool(net.features[29:](a)).flatten(1))
    explainer = Explainer(
        net, features=below, head=head, class_names=["a", "b", "c", "d"], preprocessing=Preprocessing(96, 128)
    )
    e = explainer.explain(patch, "c")
    x = explainer.preprocess(patch)
    theirs = LayerGradCam(net, layer).attribute(x, 2).detach()[0, 0]
    assert (e.signed["grad_cam"] - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    if name == "resnet18":
        with TorchCam(net, layer) as extractor:
            torch_cam = extractor(2, net(x), normalized=False)[0][0].detach()
        assert (e.maps["grad_cam"] - torch_cam).abs().max() <= 1e-5 * theirs.abs().max()
    assert e.layer == "features"
    with pytest.raises(ExplainError, match="features="):
        Explainer(net)
    with pytest.raises(ExplainError, match="training mode"):
        Explainer(net.train(), features=below, head=head, class_names="abcd")


def test_folding_is_exact_and_leaves_the_network_alone(small, patch):
    before = copy.deepcopy(small.model.state_dict())
    fast = folded(small.model)
    x = small.preprocess(patch)
    with torch.no_grad():
        expected, got = small.model.features(x), fast.features(x)
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fast.modules())
    assert all(torch.equal(v, before[k]) for k, v in small.model.state_dict().items())


def test_folding_that_would_not_be_exact_is_not_done(small):
    model = copy.deepcopy(small.model)
    # The same function, but batch-norm subtracts a large number and adds it again, which folding cancels beforehand.
    norm = model.layer4[2].bn3
    with torch.no_grad():
        norm.running_mean += 1e5
        norm.bias += 1e5 * norm.weight / (norm.running_var + norm.eps).sqrt()
    assert any(isinstance(m, nn.BatchNorm2d) for m in folded(model).modules())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_half_precision_is_within_one_percent(explainer, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device; the CPU's fp16 stands in for it")
    fast = Explainer(explainer.model, device)
    fast.engine.half = True
    for sample in samples.find()[:2]:
        expected, got = (x.explain(sample.file, "malignant", methods=SEVEN) for x in (explainer, fast))
        for name in SEVEN:
            bound = 0.03 if name == "eigen_grad_cam" else 0.01
            error = (got.signed[name] - expected.signed[name]).abs().max() / expected.signed[name].abs().max()
            assert 0 < error <= bound, name


def test_too_little_memory_takes_halves_then_the_cpu_and_says_so(small, patch, monkeypatch):
    real, sizes = Engine.run, []

    def short(engine, x, *rest):
        sizes.append(len(x))
        if len(x) > 1:
            raise torch.OutOfMemoryError("simulated")
        return real(engine, x, *rest)

    monkeypatch.setattr(Engine, "run", short)
    with pytest.warns(UserWarning, match="taken in halves"):
        got = small.explain_batch([patch] * 3, "malignant")
    assert sizes == [3, 1, 2, 1, 1]
    assert len(got) == 3

    calls = []

    def never_on_this_engine(engine, x, *rest):
        calls.append(engine)
        if engine is small.engine:
            raise torch.OutOfMemoryError("simulated")
        return real(engine, x, *rest)

    monkeypatch.setattr(Engine, "run", never_on_this_engine)
    with pytest.warns(UserWarning, match="on the CPU"):
        e = small.explain(patch, "malignant")
    torch.testing.assert_close(e.signed["grad_cam"], got[0].signed["grad_cam"])


def test_a_method_of_your_own(small, patch, tmp_path, monkeypatch):
    file = tmp_path / "own.py"
    file.write_text(
        "from dala.cam.gradient import method\n"
        "@method('mean_map', 'mean of the maps', 'me')\n"
        "def mean_map(activations, gradient, heads):\n"
        "    return activations.mean(1)\n"
    )
    monkeypatch.setenv("DALA_METHODS", str(file))
    try:
        explainer = Explainer(small.model, "cpu")
        e = explainer.explain(patch, methods=("mean_map",))
        np.testing.assert_allclose(e.maps["mean_map"], e.activations[0].mean(0).relu(), rtol=1e-6)
        monkeypatch.setenv("DALA_METHODS", str(tmp_path / "nowhere.py"))
        with pytest.raises(cam.MethodsError, match=r"nowhere.py: FileNotFoundError"):
            Explainer(DALAResNet50(), "cpu")
    finally:
        cam.METHODS.pop("mean_map", None)


def test_what_does_not_exist_is_refused(small, patch):
    for options, words in (
        ({"layer": "layer9"}, "no layer 'layer9'"),
        ({"evidence": "both"}, "no kind of evidence"),
        ({"methods": ()}, "Name a method"),
    ):
        with pytest.raises(ExplainError, match=words):
            small.explain(patch, **options)
