import numpy as np
import pytest

from dala.data import datasets
from dala.data import items as data_items
from dala.data.items import Item


def some(patients=8, pictures=5):
    return [
        Item(f"{label}-{p}-{i}.png", label, f"{label}{p}", f"{label}{p}")
        for label in (0, 1)
        for p in range(patients)
        for i in range(pictures + 9 * (p == 0))
    ]


def test_classes_and_patients_are_drawn_equally_often():
    items = some(4)[:-7]
    weights = data_items.balanced_weights(items)
    assert weights.sum() == pytest.approx(1)
    for label in (0, 1):
        mine = np.array([i.label == label for i in items])
        assert weights[mine].sum() == pytest.approx(0.5)
        patients = {i.patient for i in items if i.label == label}
        for patient in patients:
            share = sum(w for i, w in zip(items, weights, strict=True) if i.patient == patient)
            assert share == pytest.approx(0.5 / len(patients))


@pytest.mark.real_data
def test_the_real_tree(real_patches):
    root = real_patches[0].parents[6]
    items = datasets.read(root, "breakhis").items
    assert len(items) == 429
    assert len({i.patient for i in items}) == 26
    assert len({i.slide for i in items}) > 26


def test_names_that_repeat_are_told_apart():
    unique = [Item(data_items.Path(f"/root/{k}/{k}.png"), 0, "a", "a") for k in "ab"]
    assert list(data_items.names(unique).values()) == ["a.png", "b.png"]
    same = [Item(data_items.Path(f"/root/{k}/1.png"), 0, "a", "a") for k in "ab"]
    assert list(data_items.names(same).values()) == ["a/1.png", "b/1.png"]
