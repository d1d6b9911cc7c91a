"""Probabilities whose offset is taken from the pictures' own mean."""

import csv
import json
import shutil

import pytest
import torch

from dala import cli
from dala.explain import recentring
from dala.explain.folder import Job, explain_folder, shifted
from dala.explain.recentring import LEAST, RecentringError
from dala.images.stain import restained


@pytest.fixture(scope="module")
def root(patch, tmp_path_factory):
    """Eleven pictures of another stain, and one that is no tissue."""
    place = tmp_path_factory.mktemp("pictures")
    other = restained(patch, 2, 0.6)
    for n in range(11):
        other.crop((n, n, 117 + n, 85 + n)).save(place / f"{n:02}.png")
    other.point([min(4 * v, 255) for v in range(256)] * 3).point([0] * 256 * 2 + [255] * 256).save(place / "blue.png")
    return place


@pytest.fixture(scope="module")
def finished(at_home, root, tmp_path_factory):
    job = Job(root, tmp_path_factory.mktemp("out"), recentre=True, workers=0)
    assert explain_folder(at_home, job) == {}
    return job


def results(job):
    return {f.parent.name: json.loads(f.read_text()) for f in sorted(job.out.rglob("explanation.json"))}


def rows(job):
    with (job.out / "summary.csv").open(newline="") as stream:
        return {row["image"]: row for row in csv.DictReader(stream)}


def test_the_mean_margin_becomes_even_and_the_ranking_stays():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 2, generator=random) + torch.tensor([0.0, 5.0])
    again = recentring.probabilities(logits, recentring.offsets(logits), 1.5)
    margin = (logits[:, 1] - logits[:, 0]).double()
    torch.testing.assert_close(again[:, 1], ((margin - margin.mean()) / 1.5).sigmoid())
    assert ((logits / 1.5).softmax(1)[:, 1] > 0.5).double().mean() > 0.9
    assert 0.25 < (again[:, 1] > 0.5).double().mean() < 0.75
    assert torch.equal(again[:, 1].argsort(), margin.argsort())


def test_several_classes_are_each_centred():
    logits = torch.randn(20, 3, generator=torch.Generator().manual_seed(1)) + torch.tensor([1.0, -2.0, 4.0])
    offset = recentring.offsets(logits)
    assert float(offset.sum()) == pytest.approx(0, abs=1e-9)
    centred = logits.double() - offset
    torch.testing.assert_close(centred.mean(0), centred.mean().expand(3))


def test_each_picture_has_both_probabilities_and_the_assumption(finished):
    everything, table = results(finished), rows(finished)
    blue = everything.pop("blue.png")
    assert blue["warning"]
    assert "recentred" not in blue
    assert table["blue.png"]["recentring"] == ""
    margins = {n: r["logits"]["malignant"] - r["logits"]["benign"] for n, r in everything.items()}
    middle = sum(margins.values()) / 11
    for name, result in everything.items():
        again = result["recentred"]
        assert again["pictures"] == 11
        assert again["assumption"].endswith("right if they are of one laboratory and about half are malignant.")
        assert again["offset"]["malignant"] - again["offset"]["benign"] == pytest.approx(middle)
        assert (again["probabilities"]["malignant"] > 0.5) == (margins[name] > middle)
        assert float(table[name]["probability malignant"]) == result["probabilities"]["malignant"]
        assert float(table[name]["recentred probability malignant"]) == again["probabilities"]["malignant"]
        assert table[name]["recentring"] == again["assumption"]
        assert table[name]["shift"] == result["shift"] != ""
        assert float(table[name]["shift distance"]) > 1


def test_python_gives_the_same(at_home, finished, root):
    names = [f"{n:02}.png" for n in range(11)]
    explanations = at_home.explain_batch([root / name for name in names])
    for name, row in zip(names, recentring.recentred(explanations), strict=True):
        assert row == pytest.approx(results(finished)[name]["recentred"]["probabilities"], abs=1e-4)
    with pytest.raises(RecentringError, match="9 pictures of tissue are too few"):
        recentring.recentred(explanations[:9])
    with pytest.raises(RecentringError, match="0 pictures"):
        recentring.recentred([])


def test_without_the_option_it_is_offered_and_earlier_ones_are_removed(finished, shift_folder, root, capsys):
    arguments = ["explain", str(root), "--out", str(finished.out), "--model", str(shift_folder), "--device", "cpu"]
    assert shifted(finished) >= 11
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert "are from a laboratory unlike those in training: the probability does not hold; if all are of one" in out
    assert "about half are malignant, --recentre takes the offset from their own mean." in out
    assert not any(result.get("recentred") for result in results(finished).values())
    assert "recentring" not in next(iter(rows(finished).values()))
    assert cli.main([*arguments, "--recentre"]) == 0
    assert "beside it stands the re-centred one, which assumes that about half" in capsys.readouterr().out
    assert sum(bool(result.get("recentred")) for result in results(finished).values()) == 11


def test_bad_input_in_one_sentence(at_home, small, shift_folder, root, tmp_path, capsys, patch_file):
    job = Job(root, tmp_path / "out", recentre=True, workers=0)
    with pytest.raises(RecentringError, match=r"come without shift\.json"):
        explain_folder(small, job)
    with pytest.raises(RecentringError, match="in one process"):
        explain_folder(at_home, Job(root, tmp_path / "out", recentre=True, world=2))
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(patch_file, few)
    with pytest.raises(RecentringError, match=f"holds 1 pictures, and an offset needs {LEAST}"):
        explain_folder(at_home, Job(few, tmp_path / "out", recentre=True))
    assert not (tmp_path / "out").exists()
    arguments = ["--model", str(shift_folder), "--out", str(tmp_path / "out"), "--recentre", "--device", "cpu"]
    assert cli.main(["explain", str(patch_file), *arguments]) == 2
    assert "name the folder" in capsys.readouterr().err


def test_one_picture_is_spoken_of_on_the_command_line(shift_folder, root, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert (
        cli.main(["explain", str(root / "00.png"), "--out", out, "--model", str(shift_folder), "--device", "cpu"]) == 0
    )
    said = capsys.readouterr().out
    assert "00.png: From a laboratory unlike those in training (" in said
    assert said.endswith("the order of pictures may hold, the probability does not.\n")
