"""Networks of one's own that cannot be used: one sentence each, and nothing changed."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dala import DALAResNet50, Explainer, ImageError, Preprocessing
from dala.explain.question import ExplainError
from dala.models.device import DeviceError
from tests.support import networks
from tests.support.networks import SIZE, SQUARE, Split


@pytest.fixture(scope="module")
def plain() -> Split:
    return networks.small()


HEADS = {
    "more than one value": lambda y: y[:, :, None, None].expand(-1, -1, 2, 2),
    "int64 values": lambda y: y.argmax(1),
    "no tensor but a ndarray": lambda y: y.detach().numpy(),
    "no tensor but a NoneType": lambda y: None,
    "2 tensors, 0 (1, 2), 1 (1, 2)": lambda y: (y, y),
    "outputs for this picture are not finite": lambda y: y / 0,
    "(0, 2) for 1 pictures": lambda y: y[:0],
    "end before its softmax or sigmoid": lambda y: y.softmax(1),
    "say probabilities=True": lambda y: y.sigmoid(),
    "No gradient flows": lambda y: y.detach(),
    "does not use the feature maps": lambda y: 0 * y,
    "another result each time": lambda y: y + torch.rand(1),
    "3 outputs, and class_names has 2 names": lambda y: torch.cat([y, y[:, :1]], 1),
    "1 output, and class_names has 3 names: give one for each output, or both": lambda y: y[:, :1],
}


@pytest.mark.parametrize("words", HEADS)
def test_outputs(plain, patch, words):
    names = "abc" if "3 names" in words else "ab"
    explainer = plain.explainer(names, head=lambda a: HEADS[words](plain.head(a)))
    with pytest.raises(ExplainError) as caught:
        explainer.explain(patch)
    assert words in str(caught.value)


FEATURES = {
    "returns (1, 16, 1, 8, 8) for a picture of 64x64 px": lambda a: a[:, :, None],
    "returns (1, 16), pooled, for a picture": lambda a: a.mean((2, 3)),
    "one position": lambda a: a.mean((2, 3), keepdim=True),
    "(1, 0, 8, 8)": lambda a: a[:, :0],
    "(16, 8, 8)": lambda a: a[0],
    "(1, 3, 8, 100)": lambda a: a.new_zeros(1, 3, 8, 100),
    "60 are not the tokens of a grid": lambda a: a.new_zeros(1, 60, 16),
    "int64 values": lambda a: a.long(),
    "no tensor but a NoneType": lambda a: None,
    "2 tensors, 'a' (1, 16, 8, 8), 'b' (1, 16, 8, 8): let it return the one": lambda a: {"a": a, "b": a},
    "features for this picture are not finite": lambda a: a / 0,
    "the same for a picture and for noise": lambda a: torch.ones_like(a),
}


@pytest.mark.parametrize("words", FEATURES)
def test_features(plain, patch, words):
    with pytest.raises(ExplainError) as caught:
        plain.explainer(features=lambda x: FEATURES[words](plain.features(x))).explain(patch)
    assert words in str(caught.value)


def test_what_raises_in_the_network_is_told_with_its_cause(plain, patch):
    words = r"head fails on what features returns, \(1, 16, 8, 8\): RuntimeError: mat1"
    with pytest.raises(ExplainError, match=words) as caught:
        plain.explainer(head=plain.net.fc).explain(patch)
    assert isinstance(caught.value.__cause__, RuntimeError)
    vit = networks.vit().explainer(preprocessing=Preprocessing(SIZE, SIZE))
    with pytest.raises(ExplainError, match=r"features fails on a picture of 74x55 px: .* fixed=True\)"):
        vit.explain(patch)
    with pytest.raises(ImageError, match="takes 64x64 px only, not 128x96: leave out the zoom"):
        networks.vit().explainer().explain(patch, zoom=1.0)


def test_a_class_token_that_alone_is_read(patch):
    split = networks.vit()
    net, last = split.net, split.net.encoder.layers[-1]
    features = lambda x: net.encoder.ln(last(split.features(x)))  # noqa: E731
    with pytest.raises(ExplainError, match="let features end before the last block, and head start with it"):
        split.explainer(features=features, head=lambda t: net.heads(t[:, 0])).explain(patch)


def test_probabilities_that_are_none(plain, patch):
    sigmoids = lambda a: plain.head(a).sigmoid()  # noqa: E731
    small = lambda a: plain.head(a).sigmoid() * 0.1 + plain.head(a).softmax(1) * 0.8  # noqa: E731
    for head, words in ((plain.head, "from 0|add up to 1"), (sigmoids, "multi_label=True"), (small, "add up to 1")):
        with pytest.raises(ExplainError, match=words):
            plain.explainer(head=head, probabilities=True).explain(patch)


NAMES = [
    (["a", "a"], "repeats 'a'"),
    (["a", ""], "a name in one line"),
    (["a", "b\n"], "a name in one line"),
    ([0, 1], "a name in one line"),
    ([], "a name in one line"),
    ("malignant", "is the text 'malignant'"),
    ({"a", "b"}, "in the order of the logits, not a set"),
    (2, "not a int"),
    ({1: "a", 2: "b"}, "number the classes from 0"),
    ({"a": 0, "b": 0}, "number the classes from 0"),
]


@pytest.mark.parametrize(("names", "words"), NAMES)
def test_names_that_do_not_name(plain, names, words):
    with pytest.raises(ExplainError, match=words):
        plain.explainer(names)


@pytest.mark.parametrize(
    "names", [{0: "a", 1: "b"}, {"1": "b", "0": "a"}, {"b": 1, "a": 0}, np.array(["a", "b"]), iter("ab"), "ab"]
)
def test_names_in_any_order_that_is_plain(plain, names):
    assert plain.explainer(names).class_names == ("a", "b")


def test_what_cannot_be_built(plain, small):
    split = {"features": plain.features, "head": plain.head, "class_names": "ab"}
    lazy = nn.Sequential(nn.LazyConv2d(2, 3)).eval()
    meta = copy.deepcopy(plain.net).to("meta")
    for model, options, words in (
        (plain.net, {}, "needs features=.*head=.*class_names="),
        (plain.net, split | {"head": None}, "needs features="),
        (plain.net, split | {"features": "layer4"}, "features= must be a module or a function, not a str"),
        (plain.net.state_dict(), split, "must be a torch.nn.Module, not a OrderedDict"),
        (networks.Small, split, "must be a torch.nn.Module, not a type"),
        (meta, split, "without values"),
        (lazy, split, "without values"),
        (small.model, split, "has its own features= and head= and class_names="),
        (small.model, {"preprocessing": SQUARE}, "has its own preprocessing="),
        (DALAResNet50().to("meta"), {}, "without values"),
    ):
        with pytest.raises(ExplainError, match=words):
            Explainer(model, **options)
    with pytest.raises(DeviceError):
        plain.explainer(device="cuda:99")
    with pytest.raises(ExplainError, match="The network is on cpu, not on meta: move it"):
        plain.explainer(device="meta")
    assert plain.explainer(device="cpu").device.type == "cpu"


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_a_part_in_training_mode_is_refused_and_left_alone(patch):
    net = networks.Small(2).eval()
    dropout = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), net.fc)
    head = dropout[:2].append(net.fc).eval()
    norm = net.maps[4].train()
    before = copy.deepcopy(norm.state_dict())

    def own(**options):
        options = {"features": net.maps, "head": head, "class_names": "ab", "preprocessing": SQUARE} | options
        return Explainer(net, **options)

    for features in (net.maps, net.maps.forward, torch.jit.script(net.maps)):
        with pytest.raises(ExplainError, match="is in training mode: call its eval"):
            own(features=features)
    net.eval()
    with pytest.raises(ExplainError, match="A part of the network, 2, is in training mode"):
        own(head=dropout.train())
    explainer = own()
    explainer.explain(patch)
    norm.train()
    with pytest.raises(ExplainError, match=r"A part of the network, maps\.4, is in training mode"):
        explainer.explain(patch)
    assert norm.training
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    # Containers have no mode of their own.
    net.eval()
    own(features=nn.Sequential(*net.maps), head=nn.Sequential(*head)).explain(patch)
