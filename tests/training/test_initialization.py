"""What a network starts from."""

import pytest
import torch
from safetensors.torch import save_file

from dala.images.preprocessing import Preprocessing
from dala.models import pretrained, serialization
from dala.models.dala_resnet import DALAResNet50
from dala.training import initialization
from dala.training.networks import Named, build


@pytest.fixture(scope="module")
def state():
    return serialization.read_state(pretrained.SHIPPED / "model.safetensors")


def test_missing_and_left_over_keys_are_counted(state, tmp_path, capsys):
    given = {**state}
    given["fc.weight"] = given.pop("conv1.weight")
    save_file(given, tmp_path / "start.safetensors")
    told = initialization.load_imagenet(DALAResNet50(), str(tmp_path / "start.safetensors"))
    assert told["missing"] == ["conv1.weight"]
    assert "fc.weight" in told["left_over"]
    assert "1 keys missing: conv1.weight" in capsys.readouterr().out


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_a_state_dict_of_pytorch(state, tmp_path, wrap):
    torch.save(wrap(state), tmp_path / "start.pth")
    model = DALAResNet50()
    told = initialization.load_imagenet(model, str(tmp_path / "start.pth"))
    assert told["loaded"] > 200
    assert torch.equal(model.layer4[0].conv1.weight, state["layer4.0.conv1.weight"])


def test_a_pickle_that_holds_more_than_tensors_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    torch.save({"state_dict": Trap()}, tmp_path / "start.pt")
    with pytest.raises(serialization.WeightsError, match="not a file of tensors"):
        initialization.load_imagenet(DALAResNet50(), str(tmp_path / "start.pt"))
    assert not (tmp_path / "trapped").exists()


def test_a_start_of_other_shapes_is_refused(state, tmp_path):
    given = {**state, "conv1.weight": state["conv1.weight"][:, :1].clone()}
    save_file(given, tmp_path / "start.safetensors")
    with pytest.raises(serialization.WeightsError, match=r"conv1.weight does not fit"):
        initialization.load_imagenet(DALAResNet50(), str(tmp_path / "start.safetensors"))


@pytest.mark.parametrize("init", ["nowhere.safetensors", "nowhere.pt", "IMAGENET1K_V9"])
def test_a_start_that_is_none(init):
    with pytest.raises(serialization.WeightsError, match=init):
        initialization.load_imagenet(DALAResNet50(), init)


def test_a_named_network_from_a_file(tmp_path, capsys):
    torch.manual_seed(0)
    donor = build("torchvision:resnet18", ["a", "b", "c"], Preprocessing())
    save_file(donor.made.state_dict(), tmp_path / "start.safetensors")
    network = build("torchvision:resnet18", ["a", "b"], Preprocessing())
    initialization.load_named(network, str(tmp_path / "start.safetensors"))
    assert torch.equal(network.made.conv1.weight, donor.made.conv1.weight)
    assert "2 keys missing: fc.bias, fc.weight" in capsys.readouterr().out
    with pytest.raises(serialization.WeightsError, match="tensors only"):
        initialization.load_named(
            build("torchvision:vgg11", ["a", "b"], Preprocessing()), str(tmp_path / "start.safetensors")
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "torchvision:densenet121", "torchvision:vgg16", "timm:seresnet50", "timm:vit_base_patch16_224",
        "timm:swin_tiny_patch4_window7_224", "timm:vit_base_patch14_dinov2",
    ],
)  # fmt: skip
def test_the_papers_other_networks_train_for_a_step(name):
    network = build(name, ["a", "b"], Preprocessing(96, 128))
    assert isinstance(network, Named)
    logits = network(torch.rand(2, 3, 96, 128))
    assert logits.shape == (2, 2)
    logits.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", ["resnet", "timm:nothing_of_this_name", "torchvision:nothing"])
def test_a_network_that_is_none(name):
    with pytest.raises(serialization.WeightsError, match=name):
        build(name, ["a", "b"], Preprocessing())
