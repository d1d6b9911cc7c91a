import json

import numpy as np
import pytest

from dala.data import items as data_items
from dala.data import splits
from dala.data.items import DataError, Item, LeakageError


def some(patients=8, pictures=5):
    """Two classes; the first patient of each has many pictures."""
    return [
        Item(data_items.Path(f"{label}-{p}-{i}.png"), label, f"{label}{p}", f"{label}{p}A")
        for label in (0, 1)
        for p in range(patients)
        for i in range(pictures + 9 * (p == 0))
    ]


# Pictures of each patient of a real data set, by class.
PATIENTS = (
    [73, 58, 23, 22, 16, 11, 10, 1, 1],
    [29, 23, 20, 19, 17, 16, 13, 12, 11, 10, 10, 9, 8, 6, 6, 4, 1],
)


@pytest.fixture(scope="module")
def unequal():
    """Two classes of 26 patients in all, with very unequal numbers of pictures."""
    return [
        Item(data_items.Path(f"{label}-{p}-{i}.png"), label, f"{label}{p:02}", f"{label}{p:02}A")
        for label, counts in enumerate(PATIENTS)
        for p, count in enumerate(counts)
        for i in range(count)
    ]


def shares(items, split, partition):
    """Share of each class's pictures in each fold, (k, 2)."""
    sides = [split.sides(items, partition, f)[1] for f in range(len(split.partitions[partition]))]
    counts = np.array([[sum(i.label == label for i in side) for label in (0, 1)] for side in sides])
    return counts / np.array([[sum(counts) for counts in PATIENTS]])


@pytest.mark.parametrize("protocol", ["patient", "holdout"])
def test_no_patient_crosses_a_split(protocol):
    items = some()
    split = splits.make(items, protocol, 4, partitions=3, seed=1)
    assert len(split.partitions) == 3
    for p, partition in enumerate(split.partitions):
        assert len(partition) == (4 if protocol == "patient" else 1)
        for f in range(len(partition)):
            train, held = split.sides(items, p, f)
            assert len(train) + len(held) == len(items)
            assert not {i.patient for i in train} & {i.patient for i in held}
            assert {i.label for i in train} == {i.label for i in held} == {0, 1}
    assert split == splits.make(items, protocol, 4, partitions=3, seed=1)
    assert split.partitions[0] != split.partitions[1]
    # A partition depends on its own seed alone.
    assert splits.make(items, protocol, 4, partitions=1, seed=2).partitions[0] == split.partitions[1]


def test_every_patient_is_held_out_once():
    held = [p for fold in splits.make(some(), k=4).partitions[0] for p in fold]
    assert sorted(held) == sorted({i.patient for i in some()})
    assert sum(len(f) for f in splits.folds(some(), 4)) == len(some())


def test_a_split_by_image_shares_patients_and_says_so_by_its_name():
    items = some()
    split = splits.make(items, "image", 5)
    train, held = split.sides(items, 0, 0)
    assert {i.patient for i in train} & {i.patient for i in held}
    assert not {i.path for i in train} & {i.path for i in held}
    with pytest.raises(DataError, match="names that differ"):
        splits.make([*items, items[0]], "image", 5)


def test_too_few_patients_are_refused():
    with pytest.raises(DataError, match="at least 2 patients"):
        splits.make([*some(4), Item(data_items.Path("x.png"), 2, "x", "x")], k=4)
    with pytest.raises(DataError, match="into 5 folds"):
        splits.make(some(3), k=5)


def test_a_split_is_read_back_and_checked(tmp_path):
    items, file = some(), tmp_path / "split.json"
    split = splits.make(items, k=4, partitions=2)
    file.write_text(split.to_json())
    assert splits.read(file, items) == split
    with pytest.raises(DataError, match="does not name 99"):
        splits.read(file, [*items, Item(data_items.Path("new.png"), 0, "99", "99")])
    with pytest.raises(DataError, match="names 0[0-9], which is not among the pictures"):
        splits.read(file, [i for i in items if i.patient != split.partitions[0][0][0]])
    value = json.loads(split.to_json())
    value["partitions"][0][0].append(value["partitions"][0][1][0])
    file.write_text(json.dumps(value))
    with pytest.raises(LeakageError, match="two folds"):
        splits.read(file, items)
    for text in ("{}", "[1", '{"protocol": "x", "partitions": []}'):
        file.write_text(text)
        with pytest.raises(DataError):
            splits.read(file, items)


def test_a_patient_of_two_labels_stays_on_one_side():
    items = [*some(), Item(data_items.Path("other.png"), 1, "01", "01A")]
    split = splits.make(items, k=4)
    for f in range(4):
        train, held = split.sides(items, 0, f)
        assert not {i.patient for i in train} & {i.patient for i in held}


def test_repeated_partitions_put_other_patients_together(unequal):
    measured = [splits.together(splits.make(unequal, k=5, partitions=5, seed=s), unequal) for s in range(0, 50, 5)]
    assert all(m.identical == 0 and m.together < 0.24 for m in measured)
    assert measured[0].chance == pytest.approx((4 * 10 + 15) / 325)  # four folds of 5 patients, one of 6
    assert abs(np.mean([m.together for m in measured]) - measured[0].chance) < 0.03


def test_a_repeated_holdout_holds_other_patients_out(unequal):
    measured = [
        splits.together(splits.make(unequal, "holdout", partitions=5, seed=s), unequal) for s in range(0, 100, 5)
    ]
    assert measured[0].chance == pytest.approx(15 / 325)  # 2 and 4 patients are held out
    assert abs(np.mean([m.together for m in measured]) - measured[0].chance) < 0.03
    assert not any(m.identical for m in measured)


def test_folds_are_balanced_as_far_as_patients_allow(unequal):
    split = splits.make(unequal, k=5, partitions=5)
    for p, partition in enumerate(split.partitions):
        assert {len(f) for f in partition} == {5, 6}
        assert {sum(name[0] == "0" for name in f) for f in partition} == {1, 2}
        share = shares(unequal, split, p)
        # One patient has 73 of the 215 benign pictures, and four of the nine have no more than 11 each.
        assert 73 / 215 <= share[:, 0].max() <= 74 / 215 and share[:, 0].min() >= 17 / 215
        assert share[:, 1].min() > 0.13 and share[:, 1].max() < 0.27
    held = shares(unequal, splits.make(unequal, "holdout", partitions=1, share=0.25), 0)[0]
    assert (held > 0.15).all() and (held < 0.4).all()


def test_a_partition_depends_on_the_counts_and_the_seed_alone(unequal):
    split = splits.make(unequal, k=5, partitions=2, seed=3)
    assert splits.make(unequal[::-1], k=5, partitions=2, seed=3) == split
    # Written down: neither another NumPy nor another machine may give other folds.
    assert split.partitions[0][0] == ("002", "006", "106", "108", "110", "111")


def test_pictures_that_are_only_trained_on_stay_on_the_training_side(unequal):
    split = splits.make(unequal, k=5)
    more = [*unequal, *(Item(data_items.Path(f"other-{n}.png"), n % 2, f"other{n}", "") for n in range(9))]
    for f in range(5):
        train, held = split.sides(more, 0, f)
        assert held == split.sides(unequal, 0, f)[1] and len(train) + len(held) == len(more)


def test_partitions_that_repeat_are_measured(unequal):
    one, other = splits.make(unequal, k=5, partitions=2).partitions
    split = splits.Split("patient", (one, other, tuple(reversed(one))))
    assert splits.together(split, unequal).identical == 1
    assert splits.together(splits.Split("patient", (one, one)), unequal).together == 1
    # Of the three pairs in one partition and the three in the other, one is the same.
    folds = ("a", "b", "c"), ("d",)
    items = [Item(data_items.Path(f"{p}.png"), 0, p, p) for p in "abcd"]
    measured = splits.together(splits.Split("patient", (folds, (("a", "b", "d"), ("c",)))), items)
    assert measured == splits.Repetition(pytest.approx(1 / 3), 0.5, 0)
    with pytest.raises(DataError, match="at least two"):
        splits.together(splits.make(unequal), unequal)


def test_few_patients_give_few_partitions():
    items = some(2, 1)
    split = splits.make(items, k=2, partitions=2)
    assert {frozenset(p) for p in split.partitions} == {
        frozenset({("00", "10"), ("01", "11")}), frozenset({("00", "11"), ("01", "10")}),
    }  # fmt: skip
    with pytest.raises(DataError, match="Too few patients for 3 different partitions: at most 2"):
        splits.make(items, k=2, partitions=3)
    with pytest.raises(DataError, match="at least 2 patients, one of them to be held out"):
        splits.make(some(1), "holdout")


def test_a_class_of_fewer_patients_than_folds_is_in_as_many_folds_as_it_has_patients():
    few = [Item(data_items.Path(f"few-{p}.png"), 2, f"2{p}", "") for p in range(3)]
    split = splits.make([*some(9), *few], k=5, partitions=3)
    for partition in split.partitions:
        assert sum(any(name[0] == "2" for name in fold) for fold in partition) == 3
    held = splits.make([*some(9), *few], "holdout", share=0.1).partitions[0][0]
    assert {name[0] for name in held} == {"0", "1", "2"}


def test_patients_of_both_classes_are_balanced_by_their_pictures():
    """Every patient has pictures of both classes, in opposite proportions."""
    items = [
        Item(data_items.Path(f"{p}-{label}-{i}.png"), label, str(p), "")
        for p in range(20)
        for label in (0, 1)
        for i in range(9 if label == p % 2 else 1)
    ]
    split = splits.make(items, k=5, partitions=2)
    for p in range(2):
        sides = [split.sides(items, p, f)[1] for f in range(5)]
        assert all(sum(i.label == label for i in side) == 20 for side in sides for label in (0, 1))


@pytest.mark.parametrize("protocol", ["patient", "holdout"])
def test_no_group_is_on_both_sides_by_scikit_learn(protocol, unequal):
    """The folds as those of scikit-learn's PredefinedSplit: no group crosses, and every class is in every fold."""
    from sklearn.model_selection import PredefinedSplit

    for seed in (0, 30):
        split = splits.make(unequal, protocol, 5, partitions=2, seed=seed)
        for partition in split.partitions:
            of = {patient: k for k, fold in enumerate(partition) for patient in fold}
            folds = PredefinedSplit([of.get(i.patient, -1) for i in unequal])
            assert folds.get_n_splits() == (5 if protocol == "patient" else 1)
            for train, test in folds.split():
                assert not {unequal[k].patient for k in train} & {unequal[k].patient for k in test}
                assert {unequal[k].label for k in train} == {unequal[k].label for k in test} == {0, 1}


@pytest.mark.parametrize("sizes", [(2, 9), (3, 5), (5, 5), (2, 17, 8)])
def test_awkward_sets_have_different_partitions(sizes):
    """Few patients, two of one class, more folds than a class has patients."""
    items = [
        Item(data_items.Path(f"{label}-{p}-{i}.png"), label, f"{label}{p:02}", "")
        for label, n in enumerate(sizes)
        for p in range(n)
        for i in range(1 + 7 * p % 5)
    ]
    k = min(5, max(sizes))
    for seed in (0, 50):
        split = splits.make(items, k=k, partitions=5, seed=seed)
        assert len({frozenset(p) for p in split.partitions}) == 5
        for partition in split.partitions:
            for label, n in enumerate(sizes):
                assert sum(any(name[0] == str(label) for name in fold) for fold in partition) == min(n, k)
        assert splits.together(split, items).together < 0.6
