from dataclasses import replace

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


def test_one_set_is_drawn_as_before_there_were_sets():
    items = some(4)[:-7]
    count = {(i.label, i.patient): 0 for i in items}
    for i in items:
        count[i.label, i.patient] += 1
    patients = [len({i.patient for i in items if i.label == label}) for label in (0, 1)]
    plain = np.array([1 / (patients[i.label] * count[i.label, i.patient]) for i in items])
    plain = plain / plain.sum()
    np.testing.assert_array_equal(data_items.balanced_weights(items), plain)
    named = [replace(i, source="one") for i in items]
    np.testing.assert_array_equal(data_items.balanced_weights(named), plain)


def test_sets_are_drawn_by_weight_and_each_is_balanced_in_itself():
    home = [replace(i, source="home") for i in some(3)]
    away = [replace(i, source="away", weight=0.25) for i in some(5, 20)[:-30]]
    weights = data_items.balanced_weights([*home, *away])
    assert weights.sum() == pytest.approx(1)
    sides = weights[: len(home)], weights[len(home) :]
    assert [side.sum() for side in sides] == pytest.approx([0.8, 0.2])
    for side, items in zip(sides, (home, away), strict=True):
        np.testing.assert_allclose(side / side.sum(), data_items.balanced_weights(items))
    # A patient of both sets, or a class that a set lacks, does not change another set's draws.
    one = [i for i in away if i.label]
    np.testing.assert_allclose(data_items.balanced_weights([*home, *one])[: len(home)], sides[0])


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
