from dataclasses import replace

import numpy as np
import pytest

from dala.errors import DalaError
from dala.evaluation.predictions import COLUMNS, Predictions, PredictionsError


def some(partitions=2, logits=None):
    """Five pictures of three patients in two folds, in an order of each partition's own."""
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(5) for _ in range(partitions)])
    values = random.normal(size=(len(order), 2)) * 10.0 ** random.integers(-20, 20, (len(order), 2))
    return Predictions(
        class_names=("benign", "in situ, solid"),
        partition=np.repeat(np.arange(partitions), 5),
        fold=np.array([0, 0, 1, 1, 1])[order],
        picture=np.array(["a/1.png", "a/2.png", 'b,"1".png', "c 1.png", "é.png"])[order],
        label=np.array([0, 0, 1, 1, 1])[order],
        patient=np.array(["007", "007", "b", "c", "c"])[order],
        slide=np.array(["007A", "007B", "b", "c", "c"])[order],
        magnification=np.array(["100X", "100X", "40X", "", ""])[order],
        logits=(values if logits is None else logits).astype(np.float32),
    )


def test_written_and_read_they_are_the_same_to_the_bit(tmp_path):
    before = some()
    before.write(tmp_path / "predictions.csv")
    after = Predictions.read(tmp_path / "predictions.csv")
    assert after.class_names == before.class_names
    assert after.logits.dtype == np.float32
    for name in (*COLUMNS, "logits"):
        assert np.array_equal(getattr(after, name), getattr(before, name)), name


def test_the_csv_is_what_it_is_said_to_be(tmp_path):
    some(1, np.arange(10).reshape(5, 2) / 10).write(tmp_path / "p.csv")
    lines = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == 'partition,fold,picture,label,patient,slide,magnification,logit:benign,"logit:in situ, solid"'
    assert len(lines) == 6
    assert lines[1].endswith(",0.0,0.1")


def test_partitions_line_up():
    one, two = some().partitions()
    assert one.partition.tolist() == [0] * 5
    assert two.partition.tolist() == [1] * 5
    assert one.picture.tolist() == two.picture.tolist() == sorted(one.picture.tolist())
    assert one.patient.tolist() == two.patient.tolist()
    # A row stays whole.
    whole = some()
    row = np.flatnonzero((whole.partition == 1) & (whole.picture == "c 1.png"))[0]
    assert np.array_equal(two.logits[two.picture.tolist().index("c 1.png")], whole.logits[row])


def test_concatenated_partitions_are_the_whole():
    parts = some(3).partitions()
    whole = Predictions.concatenate(parts)
    assert len(whole.picture) == 15
    for one, other in zip(whole.partitions(), parts, strict=True):
        assert np.array_equal(one.logits, other.logits)
    with pytest.raises(PredictionsError, match="same classes"):
        Predictions.concatenate([parts[0], replace(parts[1], class_names=("a", "b"))])
    with pytest.raises(PredictionsError, match="twice"):
        Predictions.concatenate([parts[0], parts[0]])


def test_probabilities_are_the_softmax():
    p = some(1, np.log(np.array([[1, 3]] * 5))).probabilities()
    assert p == pytest.approx(np.array([[0.25, 0.75]] * 5))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.replace("patient", "person"), "has no column patient"),
        (lambda t: t.replace("logit:benign", "benign"), "two classes"),
        (lambda t: t.replace("0,1,", "0,one,", 1), "'one' in column fold"),
        (lambda t: t.replace("0.5", "half"), "'half' in column logit"),
        (lambda t: t.replace("0.5", "nan"), "not finite"),
        (lambda t: t.replace(",1,c,", ",2,c,"), "Label 2 is outside 0 to 1"),
        (lambda t: t.replace(",1,c,", ",-1,c,"), "Label -1 is outside"),
        (lambda t: t.replace("a/2.png", "a/1.png"), "picture a/1.png twice"),
        (lambda t: t.splitlines()[0], "no predictions"),
        (lambda t: t[: t.rindex(",")], "'' in column logit"),
        (lambda t: "", "has no column"),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence_that_names_it(tmp_path, change, sentence):
    file = tmp_path / "p.csv"
    some(1, np.arange(10).reshape(5, 2) / 10).write(file)
    text = file.read_text(encoding="utf-8")
    assert change(text) != text
    file.write_text(change(text), encoding="utf-8")
    with pytest.raises(DalaError, match=sentence) as error:
        Predictions.read(file)
    assert str(file) in str(error.value)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(PredictionsError, match="No such file"):
        Predictions.read(tmp_path / "p.csv")
    (tmp_path / "p.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(PredictionsError, match="has no column"):
        Predictions.read(tmp_path / "p.csv")


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(PredictionsError, match="each column"):
        replace(some(), slide=np.array(["a"]))
