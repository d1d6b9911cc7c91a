"""Initialization of a network."""

import pytest
import torch
from safetensors.torch import save_file

from dala.images.preprocessing import Preprocessing
from dala.models import pretrained, serialization
from dala.models.dala_resnet import DALAResNet50
from dala.training import initialization
from dala.training.networks import build


@pytest.fixture(scope="module")
def state():
    return serialization.read_state(pretrained.SHIPPED / "model.safetensors")


def test_missing_and_left_over_keys_are_counted(state, tmp_path, capsys):
    changed = {**state}
    changed["fc.weight"] = changed.pop("conv1.weight")
    save_file(changed, tmp_path / "start.safetensors")
    result = initialization.load_imagenet(DALAResNet50(), str(tmp_path / "start.safetensors"))
    assert result["missing"] == ["conv1.weight"]
    assert "fc.weight" in result["left_over"]
    assert "1 keys missing: conv1.weight" in capsys.readouterr().out


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_a_state_dict_of_pytorch(state, tmp_path, wrap):
    torch.save(wrap(state), tmp_path / "start.pth")
    model = DALAResNet50()
    result = initialization.load_imagenet(model, str(tmp_path / "start.pth"))
    assert result["loaded"] > 200
    assert torch.equal(model.layer4[0].conv1.weight, state["layer4.0.conv1.weight"])


def test_a_pickle_that_holds_more_than_tensors_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    torch.save({"state_dict": Trap()}, tmp_path / "start.pt")
    with pytest.raises(serialization.WeightsError, match="not a file of tensors only"):
        initialization.load_imagenet(DALAResNet50(), str(tmp_path / "start.pt"))
    assert not (tmp_path / "trapped").exists()


def test_a_start_of_other_shapes_is_refused(state, tmp_path):
    changed = {**state, "conv1.weight": state["conv1.weight"][:, :1].clone()}
    save_file(changed, tmp_path / "start.safetensors")
    with pytest.raises(serialization.WeightsError, match=r"conv1.weight does not fit"):
        initialization.load_imagenet(DALAResNet50(), str(tmp_path / "start.safetensors"))


@pytest.mark.parametrize("init", ["nowhere.safetensors", "nowhere.pt", "IMAGENET1K_V9"])
def test_a_start_that_is_none(init):
    with pytest.raises(serialization.WeightsError, match=init):
        initialization.load_imagenet(DALAResNet50(), init)


def test_a_named_network_from_a_file(tmp_path, capsys):
    torch.manual_seed(0)
    donor = build("torchvision:resnet18", ["a", "b", "c"], Preprocessing())
    save_file(donor.wrapped.state_dict(), tmp_path / "start.safetensors")
    network = build("torchvision:resnet18", ["a", "b"], Preprocessing())
    initialization.load_library(network, str(tmp_path / "start.safetensors"))
    assert torch.equal(network.wrapped.conv1.weight, donor.wrapped.conv1.weight)
    assert "2 keys missing: fc.bias, fc.weight" in capsys.readouterr().out
    with pytest.raises(serialization.WeightsError, match="tensors only"):
        initialization.load_library(
            build("torchvision:vgg11", ["a", "b"], Preprocessing()), str(tmp_path / "start.safetensors")
        )
