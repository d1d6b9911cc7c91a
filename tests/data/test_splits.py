import json

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
