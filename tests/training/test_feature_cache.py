"""The cache of frozen features: flips, then augmented views of their own sizes, whatever else is in the set."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from dala.data import datasets, loading
from dala.images.preprocessing import Preprocessing, normalised
from dala.models.dala_resnet import DALAResNet50
from dala.phantoms import dataset
from dala.training import feature_cache
from dala.training.config_parts import FeatureConfig, RuntimeConfig
from dala.training.feature_cache import extract

FEATURES = FeatureConfig(height=48, width=64, crop=32, views=6)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return DALAResNet50(preprocessing=Preprocessing(48, 64)).eval()


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    root = tmp_path_factory.mktemp("views") / "phantoms"
    dataset.make_folder(root, dataset.Recipe(2, size=(64, 48)))
    return datasets.read(root, "folder").items


def test_views_of_several_sizes(model, items, tmp_path):
    cache = extract(model, items, FEATURES, RuntimeConfig(out=tmp_path))
    assert {s: tuple(f.shape) for s, f in cache.pooled.items()}["layer4"] == (2, 6, 2048)
    assert {place[1:] for place in cache.places[0][:4]} == {(3, 4)}
    assert len({place[1:] for views in cache.places for place in views[4:]}) > 1
    sizes = [h * w * cache.channels for views in cache.places for _, h, w in views]
    assert [place[0] for views in cache.places for place in views] == [sum(sizes[:k]) for k in range(len(sizes))]
    # A view is what the augmentation of its seed gives, and the stages above see it as it is.
    with torch.inference_mode():
        plain = normalised(loading.at_scale(items[1], model.preprocessing), model.preprocessing)
        for view, x in ((0, plain), (3, plain.flip(2, 3))):
            pooled = below(model, x, "layer4").mean((2, 3))[0]
            torch.testing.assert_close(cache.pooled["layer4"][1, view], pooled, atol=1e-4, rtol=1e-3)
            kept = cache.map(1, view).permute(2, 0, 1)
            torch.testing.assert_close(kept, below(model, x, "layer3")[0], atol=1e-4, rtol=1e-3)
        kept = cache.map(1, 5).permute(2, 0, 1)[None]
        pooled = model.layer4(kept).mean((2, 3))[0]
        torch.testing.assert_close(cache.pooled["layer4"][1, 5], pooled, atol=1e-4, rtol=1e-3)


def below(model, x, last):
    for stage in ("stem", "layer1", "layer2", "layer3", "layer4"):
        x = getattr(model, stage)(x)
        if stage == last:
            return x
    raise ValueError(last)


def test_a_view_is_a_function_of_seed_and_picture(model, items, tmp_path):
    both = extract(model, items, FEATURES, RuntimeConfig(out=tmp_path / "both"))
    alone = extract(model, items[1:], FEATURES, RuntimeConfig(out=tmp_path / "alone"))
    torch.testing.assert_close(alone.pooled["layer4"][0], both.pooled["layer4"][1])
    other = extract(model, items[1:], FEATURES, RuntimeConfig(out=tmp_path / "alone", seed=1))
    assert torch.equal(other.pooled["layer4"][0, :4], alone.pooled["layer4"][0, :4])
    assert not torch.allclose(other.pooled["layer4"][0, 4:], alone.pooled["layer4"][0, 4:])
    assert len(list((tmp_path / "alone" / "features").glob("*.pt"))) == 2


def test_two_runs_at_once_compute_a_set_once(model, items, tmp_path, monkeypatch):
    real, computed = feature_cache._compute, []
    monkeypatch.setattr(feature_cache, "_compute", lambda *args: (computed.append(args), real(*args)))
    runtime = RuntimeConfig(out=tmp_path)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: extract(model, items, FEATURES, runtime), range(2))
    assert len(computed) == 1
    assert torch.equal(first.map(1, 5), second.map(1, 5))
