import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dala import DALAResNet50, Explainer, ImageError
from dala.cam import METHODS
from dala.cam.targets import TargetError
from dala.explain.explainer import ExplainError
from dala.models.device import DeviceError, find_device


def test_the_readmes_lines(small, patch, patch_file):
    e = small.explain(patch_file)
    assert sum(e.probabilities.values()) == pytest.approx(1)
    assert e.target == max(e.probabilities, key=e.probabilities.get)
    assert e.maps["grad_cam"].shape == (3, 4)
    assert e.maps["grad_cam"].min() >= 0
    assert e.picture.size == (128, 96)
    for source in (str(patch_file), patch_file.read_bytes(), patch, np.asarray(patch)):
        assert torch.equal(small.explain(source).maps["grad_cam"], e.maps["grad_cam"])
    assert small.explain(patch_file, target="benign").target == "benign"


def test_logits_are_the_networks_own(small, patch):
    with torch.no_grad():
        expected = small.model(small.preprocess(patch).contiguous(memory_format=torch.channels_last))[0]
    # Batch-norm is folded into the convolutions: the same function, rounded elsewhere.
    assert (small.explain(patch).logits - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_another_class_costs_no_forward_pass_and_changes_nothing_else(small, patch, monkeypatch):
    first = small.explain(patch, "malignant")
    runs = []
    with monkeypatch.context() as patched:
        patched.setitem(small.engine.stages, "stem", lambda x: runs.append(1))
        second = small.retarget(first, "benign")
    assert not runs
    direct = small.explain(patch, "benign")
    assert torch.equal(second.maps["grad_cam"], direct.maps["grad_cam"])
    assert not torch.equal(second.maps["grad_cam"], first.maps["grad_cam"])
    assert second.probabilities == first.probabilities


def everything(explainer):
    """Weights, modes, hooks and gradients of the network and of its copy that runs."""
    parts = [
        explainer.model,
        explainer.engine.last,
        *(m for m in explainer.engine.stages.values() if hasattr(m, "modules")),
    ]
    modules = [m for part in parts for m in part.modules()]
    flags = [(m.training, len(m._forward_hooks), len(m._backward_hooks), len(m._forward_pre_hooks)) for m in modules]
    values = [(p.detach().clone(), p.requires_grad, p.grad) for part in parts for p in part.parameters()]
    return flags, values


def test_the_networks_are_left_as_they_were(small, patch):
    flags, values = everything(small)
    small.explain(patch, methods=[m for m in METHODS if not METHODS[m].reruns])
    with pytest.raises(TargetError):
        small.explain(patch, "nobody")
    with pytest.raises(ZeroDivisionError):
        small.explain(patch, lambda logits: logits[:, 1 // 0])
    after = everything(small)
    assert after[0] == flags
    for (before, wanted, none), (now, wants, grad) in zip(values, after[1], strict=True):
        assert torch.equal(before, now)
        assert wanted == wants
        assert none is grad is None


def test_a_network_in_training_keeps_its_mode(small, patch):
    model = copy.deepcopy(small.model).train()
    got = Explainer(model, "cpu").explain(patch, "malignant")
    assert model.training
    assert torch.equal(got.signed["grad_cam"], small.explain(patch, "malignant").signed["grad_cam"])


def test_threads_share_one_network(small, patch):
    pictures = [patch.rotate(90 * i, expand=True) for i in range(4)] * 4
    serial = [small.explain(p).maps["grad_cam"] for p in pictures]
    with ThreadPoolExecutor(16) as pool:
        parallel = list(pool.map(lambda p: small.explain(p).maps["grad_cam"], pictures))
    for a, b in zip(serial, parallel, strict=True):
        torch.testing.assert_close(a, b)


def test_a_portrait_is_explained_as_a_portrait(small, patch):
    e = small.explain(patch.transpose(4))
    assert e.picture.size == (96, 128)
    assert e.heat().shape == (128, 96)


def test_the_heat_is_the_map_upsampled_once(small, patch):
    e = small.explain(patch)
    expected = torch.nn.functional.interpolate(e.maps["grad_cam"][None, None], (96, 128), mode="bilinear")[0, 0]
    assert torch.equal(e.heat(), expected)
    assert e.threshold("percentile", 90).kept_area == pytest.approx(0.1, abs=0.01)


def test_any_number_of_classes_with_any_names(patch):
    names = ["adenosis", "<b>ductal</b>", "other"]
    e = Explainer(DALAResNet50(names, {"height": 96, "width": 128}), device="cpu").explain(patch, names[1])
    assert list(e.probabilities) == names
    assert e.target == names[1]


def test_what_does_not_exist_is_refused_with_a_sentence(small, patch, broken_file):
    with pytest.raises(TargetError, match="no class 'cancer': choose one of benign, malignant"):
        small.explain(patch, "cancer")
    with pytest.raises(ExplainError, match="no method 'magic'"):
        small.explain(patch, methods=("magic",))
    with pytest.raises(ImageError, match="damaged"):
        small.explain(broken_file)


def test_devices(monkeypatch):
    assert find_device("cpu").type == "cpu"
    monkeypatch.setenv("DALA_DEVICE", "cpu")
    assert find_device().type == "cpu"
    monkeypatch.setenv("DALA_DEVICE", "abacus")
    with pytest.raises(DeviceError, match="'abacus' is not available"):
        find_device()


@pytest.mark.real_data
def test_the_main_job_on_real_patches(explainer, real_patches):
    for file in real_patches[:4]:
        e = explainer.explain(file)
        wanted = explainer.preprocessing
        assert e.picture.size == (wanted.width, wanted.height)
        assert e.maps["grad_cam"].shape == (-(-wanted.height // 32), -(-wanted.width // 32))
        assert 0 < e.threshold().kept_area < 0.5
        other = explainer.retarget(e, "benign" if e.target == "malignant" else "malignant")
        assert not torch.equal(other.maps["grad_cam"], e.maps["grad_cam"])
