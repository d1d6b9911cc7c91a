"""Networks of one's own: the maps of other libraries, whatever the layout, outputs, dtype and settings are."""

import copy
from collections import OrderedDict, namedtuple
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam.utils.model_targets import BinaryClassifierOutputTarget, ClassifierOutputTarget
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchcam.methods import GradCAM as TorchCam

from dala import DALAResNet50, Explainer, Preprocessing, models
from dala.cam import METHODS
from dala.trust import deletion
from tests.support import networks
from tests.support.networks import SIZE, SQUARE, Split, same

ALL = tuple(METHODS)
Output = namedtuple("Output", "logits aux_logits")
TWO = ("benign", "malignant")


@pytest.fixture(scope="module")
def plain() -> Split:
    return networks.small()


@pytest.fixture(scope="module")
def expected(plain, patch):
    return plain.explainer().explain(patch, "b", methods=ALL)


@pytest.mark.parametrize("name", ["resnet", "densenet", "convnext", "swin", "vit"])
def test_maps_are_those_of_other_libraries(name, patch):
    split = getattr(networks, name)()
    explainer = split.explainer()
    e, x = explainer.explain(patch, "b"), explainer.preprocess(patch)
    ours = e.signed["grad_cam"].numpy()
    if name == "densenet":  # its forward changes the maps in place after pytorch-grad-cam has taken them
        theirs = LayerGradCam(split.net, split.layer).attribute(x, 1).detach()[0, 0].numpy()
    else:
        theirs = networks.grad_cam(split, x, ClassifierOutputTarget(1))
    assert ours.shape == theirs.shape
    bound = 1e-5 * np.abs(theirs).max()
    assert np.abs(theirs).max() > 0
    assert np.abs(ours - theirs).max() <= bound
    torch.testing.assert_close(e.logits, split.net(x)[0].detach(), rtol=1e-4, atol=1e-5)
    if split.arranged is None:
        captum = LayerGradCam(split.net, split.layer).attribute(x, 1).detach()[0, 0].numpy()
        assert np.abs(ours - captum).max() <= bound
    if name == "resnet":
        with TorchCam(split.net, split.layer) as extractor:
            torch_cam = extractor(1, split.net(x), normalized=False)[0][0].detach().numpy()
        assert np.abs(e.maps["grad_cam"].numpy() - torch_cam).max() <= bound


@pytest.mark.parametrize("name", ["swin", "vit"])
def test_tokens_and_channels_last_serve_every_method_and_batch(name, patch):
    explainer = getattr(networks, name)().explainer()
    pictures = [patch, patch.rotate(90), patch.rotate(180)]
    together = explainer.explain_batch(pictures, "b", methods=("grad_cam", "ablation_cam", "occlusion"))
    for picture, e in zip(pictures, together, strict=True):
        same(e, explainer.explain(picture, "b", methods=("grad_cam", "ablation_cam", "occlusion")), 1e-4)
    same(explainer.retarget(explainer.explain(patch, "a"), "b"), explainer.explain(patch, "b"))
    # Occlusion reruns the network, Ablation-CAM the head alone.
    assert together[0].features.form.axes == {"swin": "last", "vit": "tokens"}[name]


def test_a_single_logit_is_two_classes(patch):
    split = networks.small(1)
    explainer = split.explainer(TWO)
    x = explainer.preprocess(patch)
    logit = float(split.net(x).detach())
    for category, name in enumerate(TWO):
        e = explainer.explain(patch, name)
        theirs = networks.grad_cam(split, x, BinaryClassifierOutputTarget(category))
        assert np.abs(e.signed["grad_cam"].numpy() - theirs).max() <= 1e-5 * np.abs(theirs).max()
        assert e.probabilities["malignant"] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)
        assert sum(e.probabilities.values()) == pytest.approx(1)
    assert explainer.explain(patch).target == TWO[logit > 0]
    kept = deletion.keep_remove(explainer, explainer.explain(patch, "malignant", methods=("random",)), areas=(0, 1))
    assert kept.curves["random"].keep[-1] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)
    alone = split.explainer(["malignant"]).explain(patch)
    assert alone.probabilities == {"malignant": pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)}
    for shape in ((-1,), (-1, 1, 1, 1)):
        shaped = split.explainer(TWO, head=lambda a, shape=shape: split.head(a).view(shape)).explain_batch([patch] * 2)
        assert shaped[1].probabilities == pytest.approx(alone.probabilities | {"benign": 1 / (1 + np.exp(logit))})


def test_labels_that_do_not_exclude_each_other(plain, patch, expected):
    e = plain.explainer(multi_label=True).explain(patch, "b", methods=ALL)
    assert list(e.probabilities.values()) == pytest.approx(expected.logits.double().sigmoid().tolist())
    same(e, expected)
    kept = deletion.keep_remove(plain.explainer(multi_label=True), e, areas=(0, 1)).curves["grad_cam"]
    assert kept.keep[-1] == e.probabilities["b"]
    assert kept.keep_margins[-1] == kept.keep_logits[-1]


def test_heads_that_end_in_softmax_or_sigmoid(plain, patch, expected):
    sigmoid = plain.explainer(head=lambda a: plain.head(a).sigmoid(), multi_label=True, probabilities=True)
    same(sigmoid.explain(patch, "b"), expected, 1e-4)
    softmax = plain.explainer(head=lambda a: plain.head(a).softmax(1), probabilities=True)
    e = softmax.explain(patch, ("b", "a"))
    assert e.probabilities == pytest.approx(expected.probabilities, rel=1e-5)
    # What a constant adds to all logits cancels in a margin.
    same(replaced_logits(e, expected), plain.explainer().explain(patch, ("b", "a")), 1e-4)


def replaced_logits(e, other):
    return SimpleNamespace(signed=e.signed, logits=other.logits)


HEADS = {
    "an object": lambda y: SimpleNamespace(logits=y, loss=None),
    "a dictionary": lambda y: {"loss": torch.zeros(()), "logits": y},
    "out and aux": lambda y: OrderedDict(out=y, aux=2 * y),
    "a named tuple": lambda y: Output(y, 2 * y),
    "a tuple": lambda y: (y, None),
    "with an embedding": lambda y: (y.new_zeros(len(y), 7), y),
    "a list": lambda y: [y],
    "(N, C, 1, 1)": lambda y: y[:, :, None, None],
    "squeezed": lambda y: y.squeeze(),
    "half precision": lambda y: y.double(),
}


@pytest.mark.parametrize("kind", HEADS)
def test_outputs_are_unwrapped(plain, patch, expected, kind):
    explainer = plain.explainer(head=lambda a: HEADS[kind](plain.head(a)))
    same(explainer.explain(patch, "b", methods=ALL), expected)
    same(explainer.explain_batch([patch] * 3, "b")[2], expected)


def _tokens(a):
    return a.flatten(2).transpose(1, 2)


FEATURES = {
    "a list": (lambda a: [a], lambda f: f[0]),
    "a tuple with None": (lambda a: (a, None), lambda f: f[0]),
    "a dictionary": (lambda a: {"out": a}, lambda f: f["out"]),
    "an object": (lambda a: SimpleNamespace(maps=a), lambda f: f.maps),
    "of Transformers": (
        lambda a: SimpleNamespace(last_hidden_state=a, pooler_output=a.mean((2, 3))),
        lambda f: f.last_hidden_state + 0 * f.pooler_output[:, :, None, None],
    ),
    "with their size": (lambda a: (_tokens(a), *a.shape[2:]), lambda f: f[0].transpose(1, 2).unflatten(2, f[1:])),
    "channels last": (lambda a: a.permute(0, 2, 3, 1), lambda f: f.permute(0, 3, 1, 2)),
    "tokens": (_tokens, lambda f: f.transpose(1, 2).unflatten(2, (8, 8))),
    "five tokens before": (
        lambda a: torch.cat([_tokens(a)[:, :5], _tokens(a)], 1),
        lambda f: f[:, 5:].transpose(1, 2).unflatten(2, (8, 8)),
    ),
    "double precision": (lambda a: a.double(), lambda f: f.float()),
}


@pytest.mark.parametrize("kind", FEATURES)
def test_features_come_in_any_form(plain, patch, kind):
    wrap, unwrap = FEATURES[kind]
    below, above = plain.features[:-1], plain.features[-1]
    options = {"features": below, "head": lambda a: plain.head(above(a))}
    wrapped = {"features": lambda x: wrap(below(x)), "head": lambda f: plain.head(above(unwrap(f)))}
    expected = plain.explainer(**options).explain(patch, "b", methods=ALL)
    explainer = plain.explainer(**wrapped)
    same(explainer.explain(patch, "b", methods=ALL), expected, 1e-4)
    same(explainer.explain_batch([patch.rotate(180), patch], "b", methods=ALL)[1], expected, 1e-4)
    same(explainer.retarget(explainer.explain(patch, "a"), "b"), expected, 1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float16, 0.01), (torch.bfloat16, 0.05)])
def test_other_dtypes(plain, patch, expected, dtype, tolerance):
    net = copy.deepcopy(plain.net).to(dtype)
    split = Split(net, net.maps, lambda a: net.fc(a.mean((2, 3))), net.maps)
    e = split.explainer().explain(patch, "b", methods=("grad_cam", "layer_cam", "eigen_cam", "occlusion"))
    assert e.activations.dtype == e.logits.dtype == torch.float32
    same(SimpleNamespace(signed={"grad_cam": e.signed["grad_cam"]}, logits=e.logits), expected, tolerance)
    assert {p.dtype for p in net.parameters()} == {dtype}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_dalaresnet50_of_other_dtypes(small, patch, dtype):
    model = copy.deepcopy(small.model).to(dtype)
    e = Explainer(model, "cpu").explain(patch, "malignant")
    # The weights are stored as fp16, but for vectors.
    bound = {torch.float64: 0, torch.float16: 0.02, torch.bfloat16: 0.1}[dtype]
    wanted = small.explain(patch, "malignant").signed["grad_cam"]
    assert (e.signed["grad_cam"] - wanted).abs().max() <= bound * wanted.abs().max()
    assert {p.dtype for p in model.parameters()} == {dtype}


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, AveragedModel, lambda m: torch.compile(m, backend="eager"), lambda m: m.requires_grad_(False)],
)
def test_a_dalaresnet50_in_a_wrapper(small, patch, wrap):
    e = Explainer(wrap(copy.deepcopy(small.model)), "cpu").explain(patch, "malignant")
    assert torch.equal(e.signed["grad_cam"], small.explain(patch, "malignant").signed["grad_cam"])


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_compiled_scripted_and_frozen_networks(plain, patch, expected):
    for change in (
        partial(torch.compile, backend="eager"),
        lambda part: torch.jit.trace(part, plain.features(torch.ones(1, 3, SIZE, SIZE)) if part is plain.head else
                                     torch.ones(1, 3, SIZE, SIZE), check_trace=False),
        lambda part: copy.deepcopy(part).requires_grad_(False),
        lambda part: copy.deepcopy(part).to(memory_format=torch.channels_last),
        nn.DataParallel,
        lambda part: part.forward,
    ):  # fmt: skip
        explainer = plain.explainer(features=change(plain.features), head=change(plain.head))
        same(explainer.explain(patch, "b"), expected, 1e-4)


def test_a_network_without_parameters(patch):
    def head(a):
        return a.mean((2, 3))[:, :2]

    explainer = Explainer(nn.AvgPool2d(16).eval(), features=nn.AvgPool2d(16), head=head, class_names="ab",
                          preprocessing=SQUARE)  # fmt: skip
    e = explainer.explain(patch, "a")
    torch.testing.assert_close(e.signed["grad_cam"], e.activations[0, 0] / 16)


def test_a_fixed_size_keeps_the_whole_picture(patch):
    explainer = networks.vit().explainer()
    e = explainer.explain(patch)
    assert (e.picture.size, e.signed["grad_cam"].shape) == ((SIZE, SIZE), (4, 4))
    assert torch.equal(explainer.explain(e.picture, zoom=1.0).logits, e.logits)
    assert Preprocessing.of(SQUARE.to_json()) == SQUARE
    assert "fixed" not in Preprocessing().to_json()
    wide = Preprocessing(32, 96, fixed=True)
    assert networks.small().explainer(preprocessing=wide).explain(patch).picture.size == (96, 32)


def test_map_location(small_folder):
    for place in ("cpu", torch.device("cpu"), None):
        loaded = DALAResNet50.from_pretrained(str(small_folder), map_location=place)
        assert {p.device.type for p in loaded.parameters()} == {"cpu"}
    with pytest.raises(models.device.DeviceError, match="'cuda:99' is not available"):
        DALAResNet50.from_pretrained(str(small_folder), map_location="cuda:99")
