"""The caller's settings, tensors and threads: none changes a map, and none is changed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from dala import Explainer, cam
from dala.cam import METHODS
from tests.support import networks
from tests.support.networks import Split, same


@pytest.fixture(scope="module")
def plain() -> Split:
    return networks.small()


@pytest.fixture(scope="module")
def expected(plain, patch):
    return plain.explainer().explain(patch, "b")


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


SETTINGS = {
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64 by default": lambda: default_dtype(torch.float64),
    "float16 by default": lambda: default_dtype(torch.float16),
    "another device by default": lambda: default_device("meta"),
    "deterministic algorithms": deterministic,
}


def state():
    return (
        torch.get_default_dtype(), torch.get_default_device(),
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"), torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(), torch.get_rng_state().tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_caller_change_no_map_and_stay(small, plain, patch, setting):
    methods = ("grad_cam", "eigen_grad_cam", "ablation_cam", "centre_gaussian", "random")
    expected, own = (x.explain(patch, 1, methods=methods) for x in (small, plain.explainer()))
    with SETTINGS[setting]():
        before = state()
        got = [explainer.explain(patch, 1, methods=methods) for explainer in (small, plain.explainer())]
        again = [x.retarget(e, 0) for x, e in zip((small, plain.explainer()), got, strict=True)]
        threshold = got[0].threshold().tau
        assert state() == before
    for e, wanted in ((got[0], expected), (got[1], own)):
        for name in methods:
            assert torch.equal(e.signed[name], wanted.signed[name]), name
        assert e.signed["grad_cam"].dtype == torch.float32
        assert e.signed["grad_cam"].is_inference() is e.activations.is_inference() is False
    assert threshold == expected.threshold().tau
    assert torch.equal(again[0].signed["grad_cam"], small.explain(patch, 0).signed["grad_cam"])


@pytest.mark.parametrize("setting", ["inference mode", "float16 by default", "another device by default"])
def test_a_network_is_loaded_alike_whatever_the_settings_are(small, small_folder, patch, setting):
    with SETTINGS[setting]():
        before = state()
        loaded = Explainer.load(small_folder, "cpu")
        assert state() == before
    assert torch.equal(loaded.explain(patch).signed["grad_cam"], small.explain(patch).signed["grad_cam"])
    assert {(p.dtype, p.device.type) for p in loaded.model.parameters()} == {(torch.float32, "cpu")}
    loaded.model(torch.zeros(1, 3, 64, 64)).sum().backward()  # it can be trained


def everything(net):
    tensors = {k: v.clone() for k, v in net.state_dict().items()}
    flags = [(m.training, dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in net.modules()]
    return tensors, flags, [(p.requires_grad, p.grad, p._version) for p in net.parameters()]


def test_nothing_of_the_callers_is_changed(patch):
    split = networks.small()
    calls = []
    split.net.maps.register_forward_hook(lambda *_: calls.append(1))
    split.net.fc.bias.requires_grad_(False)
    pixels = np.array(patch)
    tensors, flags, parameters = everything(split.net)
    # In place, at the input, at the feature maps and at the logits.
    explainer = split.explainer(
        features=lambda x: split.features(x.mul_(2)), head=lambda a: split.head(a.mul_(0.5)).mul_(3)
    )
    methods = ("grad_cam", "occlusion", "ablation_cam", "hires_cam")
    e = explainer.explain(pixels, lambda y: y.mul_(2)[:, 1], methods=methods)
    again = explainer.explain(pixels, lambda y: 2 * y[:, 1], methods=methods[::-1])
    same(e, again, 0)
    assert np.array_equal(pixels, np.array(patch))
    after = everything(split.net)
    assert all(torch.equal(v, after[0][k]) for k, v in tensors.items())
    assert (flags, parameters) == after[1:]
    assert calls


def test_a_method_that_writes_into_what_others_share_is_refused(small, patch, monkeypatch):
    writes = cam.core.Method(lambda a, g, heads: a.mul_(2).sum(1), "", "")
    monkeypatch.setitem(METHODS, "writes", writes)
    with pytest.raises(cam.MethodsError, match="The method writes writes into its arguments: let it work on a copy"):
        small.explain(patch, methods=("writes", "grad_cam"))


def test_results_that_depend_on_the_batch_are_made_one_by_one(patch):
    pictures = [patch, patch.rotate(90), patch.rotate(180)]
    split = networks.small(track_running_stats=False)

    def only_one(part):
        return lambda x: part(x) if len(x) == 1 else 1 / 0

    plain = networks.small()
    one = plain.explainer(features=only_one(plain.features), head=only_one(plain.head))
    for explainer in (split.explainer(), one):
        methods = ("grad_cam", "ablation_cam", "occlusion")
        for picture, e in zip(pictures, explainer.explain_batch(pictures, methods=methods), strict=True):
            same(e, explainer.explain(picture, methods=methods), 0)
    same(one.explain(patch, methods=methods), plain.explainer().explain(patch, methods=methods), 1e-4)


def test_threads_share_the_first_pass(plain, patch, expected):
    calls = []
    explainer = plain.explainer(features=lambda x: [calls.append(len(x)), plain.features(x)][1])
    with ThreadPoolExecutor(8) as pool:
        for e in pool.map(lambda _: explainer.explain(patch, "b"), range(8)):
            same(e, expected)
    # Alone and beside noise, once; then each.
    assert sorted(calls) == [1] * 9 + [2]
