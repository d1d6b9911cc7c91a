from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from dala.data import datasets, duplicates
from dala.data.items import Item
from dala.phantoms import phantom

SIZE = (350, 230)


@pytest.fixture(scope="module")
def pictures():
    return [phantom.make(seed, seed % 2 == 0, SIZE).picture for seed in range(8)]


def reencoded(picture, quality=60, scale=1.0):
    stream = BytesIO()
    picture.resize([round(s * scale) for s in picture.size]).save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def find(rows):
    """Of (picture, label, patient) each."""
    items = [Item(f"{n}.png", label, patient, patient) for n, (_, label, patient) in enumerate(rows)]
    result = duplicates.find(items, [duplicates.fingerprint(picture) for picture, _, _ in rows])
    near = [(p.first.path, p.second.path) for p in result.near]
    return result, [[i.path for i in group] for group in result.exact], near


def test_different_pictures_are_no_duplicates(pictures):
    result, exact, near = find([(p, 0, str(n)) for n, p in enumerate(pictures)])
    assert not exact and not near and not result.two_labels and (result.within, result.blank) == (0, 0)


@pytest.mark.parametrize("change", [
    reencoded,
    lambda p: reencoded(p, 30),
    lambda p: reencoded(p, 75, 0.5),
    lambda p: ImageEnhance.Brightness(p).enhance(1.1),
    lambda p: p.convert("L").convert("RGB"),
])  # fmt: skip
def test_a_changed_copy_looks_alike(change, pictures):
    copy = change(pictures[2])
    assert np.asarray(copy).shape != np.asarray(pictures[2]).shape or (np.asarray(copy) != pictures[2]).any()
    rows = [(p, 0, str(n)) for n, p in enumerate(pictures)]
    _, exact, near = find([*rows, (copy, 0, "other")])
    assert (exact, near) == ([], [("2.png", "8.png")])
    assert find([*rows, (copy, 0, "2")])[2] == []
    assert find([*rows, (copy, 1, "2")])[2] == [("2.png", "8.png")]


def test_identical_pictures(pictures):
    a, b = pictures[:2]
    result, exact, near = find([(a, 0, "P"), (a.copy(), 1, "P"), (b, 0, "Q"), (b, 0, "R"), (b, 0, "R")])
    assert exact == [["0.png", "1.png"], ["2.png", "3.png", "4.png"]] and near == []
    assert [[i.path for i in group] for group in result.two_labels] == [["0.png", "1.png"]]
    assert result.within == 1


def test_the_size_is_part_of_the_pixels():
    wide, high = (duplicates.fingerprint(Image.new("RGB", size)) for size in ((40, 80), (80, 40)))
    assert wide.pixels != high.pixels


def test_blank_pictures_are_counted_and_not_compared(pictures):
    rng = np.random.default_rng(0)
    blank = [Image.fromarray(rng.integers(240, 244, (60, 60, 3), dtype=np.uint8)) for _ in range(3)]
    result, exact, near = find([(p, 0, str(n)) for n, p in enumerate([*blank, pictures[0]])])
    assert (exact, near, result.blank) == ([], [], 3)
    assert find([(p, 0, str(n)) for n, p in enumerate(blank)])[2] == []


def test_blocks_compare_every_pair(monkeypatch):
    rng = np.random.default_rng(1)
    bits = rng.random((90, 256)) < 0.5
    for a, b, flipped in ((0, 89, 3), (4, 5, 40), (30, 64, 17), (10, 70, 41)):
        bits[b] = bits[a]
        bits[b, rng.choice(256, flipped, replace=False)] ^= True
    prints = [duplicates.Fingerprint(str(n), row) for n, row in enumerate(bits)]
    items = [Item(n, 0, str(n), str(n)) for n in range(90)]
    monkeypatch.setattr(duplicates, "ROWS", 16)
    result = duplicates.find(items, prints).near
    assert [(p.first.path, p.second.path, p.distance) for p in result] == [(0, 89, 3), (30, 64, 17), (4, 5, 40)]


@pytest.mark.real_data
def test_the_real_picture_with_two_labels(real_patches):
    root = real_patches[0].parents[6]
    dataset, prints = datasets.decode(datasets.read(root, "breakhis", classes="all"), duplicates.fingerprint)
    result = duplicates.find(dataset.items, prints)
    assert [[i.path.stem for i in group] for group in result.two_labels] == [
        ["SOB_M_DC-14-13412-100-003", "SOB_M_LC-14-13412-100-003"]
    ]
    assert result.exact == result.two_labels and result.near == []
    # No pair of patients comes near the threshold, not even at twice its distance.
    assert duplicates.find(dataset.items, prints, near=2 * duplicates.NEAR).near == []
