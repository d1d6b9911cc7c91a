"""The phantom's promises: repeatable, of the right size, and with its evidence where the mask says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dala import phantom, slide

SEEDS = range(6)


@pytest.fixture(scope="module")
def malignant() -> list[phantom.Phantom]:
    return [phantom.make(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def benign() -> list[phantom.Phantom]:
    return [phantom.make(seed, malignant=False) for seed in SEEDS]


def haematoxylin(picture: Image.Image) -> np.ndarray:
    """Haematoxylin density (height, width), by inverting the Beer-Lambert law with the two stain vectors."""
    density = -np.log(np.clip(np.asarray(picture, float), 1, None) / 240)
    return (density @ np.linalg.pinv(np.stack([slide.HAEMATOXYLIN, slide.EOSIN])))[..., 0]


def mean_colour(phantoms: list[phantom.Phantom]) -> np.ndarray:
    return np.mean([np.asarray(p.picture, float).mean(axis=(0, 1)) for p in phantoms], axis=0)


@pytest.mark.parametrize("ill", [False, True])
def test_same_seed_gives_same_bytes(ill: bool) -> None:
    one, two = (phantom.make(5, ill, (210, 140)) for _ in range(2))
    assert one.picture.tobytes() == two.picture.tobytes()
    assert np.array_equal(one.mask, two.mask)


def test_different_seeds_differ() -> None:
    pictures = {phantom.make(seed, size=(96, 96)).picture.tobytes() for seed in range(4)}
    assert len(pictures) == 4


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (150, 320)])
def test_size_is_width_then_height(size: tuple[int, int]) -> None:
    for ill in (False, True):
        made = phantom.make(1, ill, size)
        assert made.picture.size == size
        assert made.picture.mode == "RGB"
        assert made.mask.shape == size[::-1]
        assert made.mask.dtype == bool


def test_malignant_mask_has_the_promised_share(malignant: list[phantom.Phantom]) -> None:
    for made in malignant:
        assert made.label == "malignant"
        assert 0.14 <= made.mask.mean() <= 0.26


def test_benign_mask_is_empty(benign: list[phantom.Phantom]) -> None:
    for made in benign:
        assert made.label == "benign"
        assert not made.mask.any()


def test_focus_holds_at_least_twice_the_haematoxylin(malignant: list[phantom.Phantom]) -> None:
    for made in malignant:
        stain = haematoxylin(made.picture)
        assert stain[made.mask].mean() > 2 * stain[~made.mask].mean()


def test_class_mean_colours_are_close(malignant: list[phantom.Phantom], benign: list[phantom.Phantom]) -> None:
    # Were the classes told apart by overall colour, a classifier would need no evidence from the focus.
    assert np.abs(mean_colour(malignant) - mean_colour(benign)).max() < 8


def test_folder_layout(tmp_path: Path) -> None:
    phantom.make_folder(tmp_path / "set", 4, seed=3, size=(96, 64))
    made = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png"))
    assert made == [
        "set/benign/phantom_0000.png",
        "set/benign/phantom_0002.png",
        "set/malignant/phantom_0001.png",
        "set/malignant/phantom_0003.png",
        "set_masks/phantom_0001.png",
        "set_masks/phantom_0003.png",
    ]
    again = phantom.make(4, size=(96, 64))
    assert Image.open(tmp_path / made[2]).tobytes() == again.picture.tobytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / made[4])) > 0, again.mask)
