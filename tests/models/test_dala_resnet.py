import pytest
import torch
from torchvision.models import resnet50

from dala.models.dala_resnet import DALAResNet50, DualActivatedHead, LightweightAttention


@pytest.fixture(scope="module")
def model():
    return DALAResNet50().eval()


@pytest.mark.parametrize("size", [(32, 32), (33, 45), (96, 128)])
def test_any_input_of_32_px_or_more(model, size):
    x = torch.zeros(2, 3, *size)
    features = model.features(x)
    assert features.shape == (2, 2048, -(-size[0] // 32), -(-size[1] // 32))
    assert model.head(features).shape == (2, 2)
    torch.testing.assert_close(model(x), model.head(features))


def test_an_imagenet_resnet50_fits_by_name(model):
    backbone = {k: v.shape for k, v in resnet50(weights=None).state_dict().items() if not k.startswith("fc.")}
    own = {k: v.shape for k, v in model.state_dict().items() if not k.startswith(("attention.", "head."))}
    assert own == backbone


def test_stages_up_to_layer4_are_torchvisions(model):
    reference = resnet50(weights=None).eval()
    reference.load_state_dict(model.state_dict(), strict=False)
    reference.fc = torch.nn.Identity()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for stage in ("stem", "layer1", "layer2", "layer3", "layer4"):
        before, x = x, getattr(model, stage)(x)
    assert before.shape[1] == 1024
    torch.testing.assert_close(
        x.mean((2, 3)), reference(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    )


def test_the_gate_commutes_with_pooling():
    attention = LightweightAttention(32, 4)
    x = torch.rand(2, 32, 5, 7)
    torch.testing.assert_close(attention(x).mean((2, 3)), attention(x.mean((2, 3), keepdim=True))[..., 0, 0])
    assert 0 < attention.gate(x).min() <= attention.gate(x).max() < 1


def test_the_head_is_activated_twice():
    kinds = [type(m).__name__ for m in DualActivatedHead(8, 3).layers]
    assert kinds == ["Linear", "LeakyReLU", "Dropout", "Linear", "ReLU", "Linear"]


def test_other_classes_come_from_the_config(tmp_path):
    model = DALAResNet50(["a", "b", "c"], {"height": 64, "width": 64}, {"start": "random"}).eval()
    model.save_pretrained(tmp_path)
    again = DALAResNet50.from_pretrained(tmp_path)
    assert again.config() == model.config()
    assert not again.training
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(again(x), model(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("names", [["only"], ["twice", "twice"]])
def test_class_names_that_cannot_be(names):
    with pytest.raises(ValueError, match="class_names"):
        DALAResNet50(names)
