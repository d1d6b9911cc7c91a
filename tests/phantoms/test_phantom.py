"""Phantoms are repeatable, and the evidence inside the mask is the only difference between the classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from dala import cli
from dala.data import datasets, splits
from dala.files import DiskError
from dala.images import stain as stains
from dala.phantoms import dataset as phantoms_dataset
from dala.phantoms import phantom
from dala.phantoms.artifacts import DECOYS
from dala.phantoms.dataset import Recipe
from dala.training import baselines

SEEDS = range(4)
SMALL = (175, 115)
Pair = tuple[phantom.Phantom, phantom.Phantom]


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """The benign and the malignant phantom of a few seeds."""
    return [(phantom.make(seed, False), phantom.make(seed)) for seed in SEEDS]


def densities(picture: Image.Image) -> np.ndarray:
    """Haematoxylin and eosin (height, width, 2), by inverting the Beer-Lambert law with the two stain vectors."""
    density = -np.log(np.clip(np.asarray(picture, float), 1, None) / 240)
    return density @ np.linalg.pinv(np.stack([stains.HAEMATOXYLIN, stains.EOSIN]))


@pytest.mark.parametrize("ill", [False, True])
@pytest.mark.parametrize("decoy", [None, "ink"])
def test_same_seed_gives_same_bytes(ill: bool, decoy: str | None) -> None:
    one, two = (phantom.make(5, ill, (210, 140), decoy) for _ in range(2))
    assert one.picture.tobytes() == two.picture.tobytes()
    assert np.array_equal(one.mask, two.mask)
    assert np.array_equal(one.decoy, two.decoy)


def test_different_seeds_differ() -> None:
    pictures = {phantom.make(seed, size=(96, 96)).picture.tobytes() for seed in range(4)}
    assert len(pictures) == 4


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (150, 320)])
def test_size_is_width_then_height(size: tuple[int, int]) -> None:
    for ill in (False, True):
        one = phantom.make(1, ill, size, "fold")
        assert one.picture.size == size
        assert one.picture.mode == "RGB"
        for mask in (one.mask, one.region, one.decoy):
            assert mask.shape == size[::-1]
            assert mask.dtype == bool


def test_both_lesions_have_the_promised_share(pairs: list[Pair]) -> None:
    for benign, malignant in pairs:
        assert (benign.label, malignant.label) == ("benign", "malignant")
        assert not benign.mask.any()
        assert np.array_equal(malignant.mask, malignant.region)
        assert 0.15 <= malignant.mask.mean() <= 0.25
        assert benign.region.mean() == pytest.approx(malignant.mask.mean(), abs=1e-3)


def test_the_focus_is_full_of_haematoxylin(pairs: list[Pair]) -> None:
    # The amount around it depends on lymphocytes and lobule, which differ between phantoms.
    for _, malignant in pairs:
        stain = densities(malignant.picture)[..., 0]
        assert stain[malignant.mask].mean() > 1.5 * stain[~malignant.mask].mean()


def test_the_classes_of_a_seed_differ_in_the_lesion_only(pairs: list[Pair]) -> None:
    for benign, malignant in pairs:
        far = ~ndimage.binary_dilation(benign.region | malignant.region, iterations=16)
        a, b = (np.asarray(p.picture)[far] for p in (benign, malignant))
        assert far.mean() > 0.4
        assert (a == b).mean() > 0.999


def test_stain_and_number_of_nuclei_are_matched_between_the_classes(pairs: list[Pair]) -> None:
    for benign, malignant in pairs:
        assert malignant.nuclei == pytest.approx(benign.nuclei, rel=0.06)
        a, b = (densities(p.picture) for p in (benign, malignant))
        np.testing.assert_allclose(a.mean((0, 1)), b.mean((0, 1)), rtol=0.02)
        # Not only the totals: the amount of every shade.
        for share in (10, 50, 90):
            np.testing.assert_allclose(np.percentile(a, share, (0, 1)), np.percentile(b, share, (0, 1)), atol=0.02)
    counts = np.array([[p.nuclei for p in pair] for pair in pairs])
    np.testing.assert_allclose(*counts.mean(0), rtol=0.03)


def test_nuclei_of_the_focus_are_large_and_crowded(pairs: list[Pair]) -> None:
    for benign, malignant in pairs:
        depths = []
        for one in (benign, malignant):
            dark = ndimage.gaussian_filter(densities(one.picture)[..., 0], 1) > 0.6
            depths.append(np.percentile(ndimage.distance_transform_edt(dark)[dark & one.region], 98))
        # The same amount of dye is in thicker pieces.
        assert depths[1] > 1.2 * depths[0]


@pytest.mark.slow
def test_colour_alone_does_not_separate_the_classes(tmp_path: Path) -> None:
    phantoms_dataset.make_folder(tmp_path / "set", Recipe(160, seed=500, size=SMALL), workers=2)
    items = datasets.read(tmp_path / "set", "folder").items
    x = baselines.colour(items)
    aucs = []
    for seed in range(3):
        scores = np.zeros(len(items))
        place = {item.path: k for k, item in enumerate(items)}
        for side in splits.folds(items, k=5, seed=seed):
            test = [place[i.path] for i in side]
            train = sorted({*range(len(items))} - {*test})
            scores[test] = baselines.log_probabilities("colour", x, items, train, test)[:, 1]
        aucs.append(roc_auc_score([i.label for i in items], scores))
    assert np.mean(aucs) <= 0.6


@pytest.mark.parametrize("name", list(DECOYS))
def test_a_decoy_changes_its_own_place_only_and_keeps_off_the_lesion(name: str) -> None:
    plain, with_decoy = phantom.make(7, size=(350, 230)), phantom.make(7, size=(350, 230), decoy=name)
    assert 0.008 < with_decoy.decoy.mean() < 0.06
    assert not (with_decoy.decoy & with_decoy.mask).any()
    assert np.array_equal(plain.mask, with_decoy.mask)
    change = np.abs(np.asarray(plain.picture, float) - np.asarray(with_decoy.picture, float)).mean(2)
    assert change[with_decoy.decoy].mean() > 20
    assert change[~ndimage.binary_dilation(with_decoy.decoy, iterations=10)].max() <= 1
    assert not plain.decoy.any()
    other = phantom.make(7, False, (350, 230), name)
    assert np.array_equal(other.decoy, with_decoy.decoy)


def test_weak_labels_are_the_slides(tmp_path: Path) -> None:
    recipe = Recipe(8, 3, (96, 64), "ink", weak=True)
    phantoms = [recipe.make(i) for i in range(8)]
    assert [p.label for p in phantoms] == ["benign", "malignant"] * 4
    assert [bool(p.mask.any()) for p in phantoms] == [False, True, False, False] * 2
    assert [bool(p.decoy.any()) for p in phantoms] == [False, True] * 4
    assert phantoms[3].picture.tobytes() == phantom.make(6, False, (96, 64), "ink").picture.tobytes()
    phantoms_dataset.make_folder(tmp_path / "set", recipe)
    assert (tmp_path / "set" / "malignant" / "phantom_0003.png").is_file()
    assert (tmp_path / "set_masks" / "phantom_0003_benign.png").is_file()
    assert not (tmp_path / "set_masks" / "phantom_0003.png").exists()


def test_folder_layout(tmp_path: Path) -> None:
    phantoms_dataset.make_folder(tmp_path / "set", Recipe(4, 3, (96, 64), "ink", "benign"))
    names = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*"))
    assert names == [
        "set/benign/phantom_0000.png",
        "set/benign/phantom_0002.png",
        "set/malignant/phantom_0001.png",
        "set/malignant/phantom_0003.png",
        "set/phantoms.json",
        "set_masks/phantom_0000_benign.png",
        "set_masks/phantom_0000_decoy.png",
        "set_masks/phantom_0001.png",
        "set_masks/phantom_0002_benign.png",
        "set_masks/phantom_0002_decoy.png",
        "set_masks/phantom_0003.png",
    ]
    again = phantom.make(4, size=(96, 64))
    assert Image.open(tmp_path / names[2]).tobytes() == again.picture.tobytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "set_masks" / "phantom_0001.png")) > 0, again.mask)
    about = json.loads((tmp_path / "set" / "phantoms.json").read_text())
    assert about["command"] == "python -m dala phantom --n 4 --seed 3 --size 96x64 --decoy ink --decoy-class benign"
    assert about["licence"] == "CC0-1.0"
    assert [row["seed"] for row in about["pictures"]] == [3, 4, 5, 6]
    dataset = datasets.read(tmp_path / "set", "folder")
    assert (len(dataset.items), dataset.class_names, dataset.skipped) == (4, ["benign", "malignant"], {})


def test_the_command_writes_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    for workers in ("0", "2"):
        out = str(tmp_path / workers / "set")
        assert cli.main(["phantom", "--n", "4", "--size", "96x64", "--out", out, "--workers", workers]) == 0
    alone, shared = (
        {p.relative_to(tmp_path / w).as_posix(): p.read_bytes() for p in (tmp_path / w).rglob("*.*")} for w in "02"
    )
    assert alone == shared


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--n", "1"], "'1' is not a number of pictures from 2"),
        (["--n", "4", "--size", "700"], "'700' is not WIDTHxHEIGHT from 64 to 4096"),
        (["--n", "4", "--size", "20x9000"], "not WIDTHxHEIGHT"),
        (["--n", "4", "--seed", "-1"], "'-1' is not a seed"),
        (["--n", "4", "--decoy", "dust"], "invalid choice: 'dust'"),
    ],
)
def test_bad_input_is_refused(tmp_path: Path, capsys, arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["phantom", "--out", str(tmp_path / "set"), *arguments])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_existing_files_are_not_changed(tmp_path: Path, capsys) -> None:
    mine = tmp_path / "set" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert cli.main(["phantom", "--n", "2", "--size", "64x64", "--out", str(mine.parent)]) == 2
    assert capsys.readouterr().err == f"{mine.parent}: exists and is not empty; choose another folder.\n"
    assert mine.read_text() == "mine"
    assert cli.main(["phantom", "--n", "2", "--size", "64x64", "--out", str(mine / "set")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_full_disk_leaves_no_half_set(tmp_path: Path, monkeypatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match="set: cannot be written .No space left on device.; make room on this disk"):
        phantoms_dataset.make_folder(tmp_path / "set", Recipe(2, size=(64, 64)))
    assert not list(tmp_path.iterdir())
