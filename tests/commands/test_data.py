import argparse
import json

import numpy as np
import pytest
from PIL import Image

from dala.commands import data as command
from dala.data.items import DataError
from dala.files import DiskError
from dala.phantoms import phantom

TUMOURS = {"DC": "ductal_carcinoma", "LC": "lobular_carcinoma", "A": "adenosis"}


def check(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(["check", *map(str, arguments)])
    return command.run(args)


def place(root, code, patient, picture, number=1):
    side = "B" if code == "A" else "M"
    name = f"SOB_{side}_{code}-14-{patient}-100-{number:03}.png"
    folder = root / "benign" if side == "B" else root / "malignant"
    file = folder / "SOB" / TUMOURS[code] / f"SOB_{side}_{code}_14-{patient}" / "100X" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
    return file


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Four patients of adenosis, three of ductal carcinoma, and 13412 under two carcinomas with one picture."""
    root = tmp_path_factory.mktemp("BreaKHis_v1")
    pictures = [phantom.make(seed, seed > 4, (175, 115)).picture for seed in range(10)]
    for n in range(4):
        place(root, "A", f"{100 + n}AB", pictures[n])
    place(root, "A", "100CD", pictures[4])
    for n in range(3):
        place(root, "DC", str(200 + n), pictures[5 + n])
    place(root, "DC", "13412", pictures[8])
    place(root, "LC", "13412", pictures[8])
    place(root, "A", "101AB", pictures[1].resize((350, 230)), 2)
    place(root, "A", "102AB", pictures[1].resize((350, 230), Image.Resampling.BILINEAR), 2)
    broken = place(root, "DC", "200", pictures[9], 2)
    broken.write_bytes(broken.read_bytes()[:2000])
    return root


def test_the_report(tree, tmp_path, capsys):
    file = tmp_path / "facts.json"
    assert check(tree, "--classes", "all", "--folds", 2, "--json", file) == 0
    out = capsys.readouterr().out
    facts = json.loads(file.read_text())
    assert facts["pictures"] == 12
    assert {c: v["pictures"] for c, v in facts["classes"].items() if v["pictures"]} == {
        "adenosis": 7, "ductal_carcinoma": 4, "lobular_carcinoma": 1,
    }  # fmt: skip
    assert facts["patients"]["100"] == {"adenosis": 2}
    assert "  13412: ductal_carcinoma 1, lobular_carcinoma 1\n" in out
    assert "Patients with pictures of more than one class: 1 (13412)\n" in out
    (name, sentence), *others = facts["skipped"].items()
    assert name.endswith("SOB_M_DC-14-200-100-002.png") and "damaged" in sentence and not others
    assert f"Files not used: 1\n  {name}: {sentence}\n" in out
    (two,) = facts["two_labels"]
    assert [n.rsplit("/", 1)[1] for n in two] == ["SOB_M_DC-14-13412-100-001.png", "SOB_M_LC-14-13412-100-001.png"]
    assert f"Pictures with two labels: 1\n  {' = '.join(two)}\n" in out
    pairs = [{p["patient"] for p in pair["pictures"]} for pair in facts["near"]]
    assert pairs == [{"101", "102"}] * 2


def test_the_folds_hold_every_patient_out_once(tree, tmp_path, capsys):
    file = tmp_path / "facts.json"
    assert check(tree, "--folds", 2, "--workers", 2, "--json", file) == 0
    facts = json.loads(file.read_text())
    out = [p for fold in facts["folds"] for p in fold["patients"]]
    assert sorted(out) == sorted(facts["patients"]) and len(facts["folds"]) == 2 and facts["no_folds"] is None
    for name, count in facts["classes"].items():
        assert sum(fold["classes"][name]["pictures"] for fold in facts["folds"]) == count["pictures"]
    assert facts["repeated_within_patient"] == 1 and facts["two_labels"] == []
    assert "  fold 2: 4 patients; pictures of patients: benign " in capsys.readouterr().out


def test_repeated_partitions_are_measured(tree, tmp_path, capsys):
    file = tmp_path / "facts.json"
    assert check(tree, "--folds", 2, "--json", file) == 0
    measured = json.loads(file.read_text())["partitions"]
    # Two folds of four of the eight patients: 12 of 28 pairs.
    assert measured["chance"] == pytest.approx(12 / 28) and measured["identical"] == 0
    assert f"5 partitions: {measured['together']:.0%} of the pairs" in capsys.readouterr().out
    assert check(tree, "--folds", 4) == 0
    assert "identical partitions: 0" in capsys.readouterr().out


def test_so_few_patients_that_partitions_repeat(tmp_path, capsys):
    for n in range(4):
        place(tmp_path, "A" if n < 2 else "DC", str(n), phantom.make(n, n > 1, (175, 115)).picture)
    assert check(tmp_path, "--folds", 2) == 0
    out = capsys.readouterr().out
    assert "fold 2: 2 patients" in out and "No repeated partitions: Too few patients for 5" in out


def test_too_few_patients_for_the_folds_is_told_and_no_refusal(tree, capsys):
    assert check(tree, "--classes", "all", "--folds", 40) == 0
    assert "No folds: Every class needs at least" in capsys.readouterr().out


def test_unknown_patients_are_told(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for n in range(50):
        (tmp_path / "ab"[n % 2]).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "ab"[n % 2] / f"{n:02}.png")
    assert check(tmp_path, "--format", "folder") == 0
    out = capsys.readouterr().out
    assert "50 pictures; the patients are not known" in out and "A patient-wise split needs" in out
    assert "groups.csv" in out and "fold 1" not in out
    table = [f"{'ab'[n % 2]}/{n:02}.png,P{n:02}" for n in range(50)]
    (tmp_path / "groups.csv").write_text("\n".join(["picture,patient", *table]))
    assert check(tmp_path, "--format", "folder") == 0
    out = capsys.readouterr().out
    assert "50 pictures of 50 patients" in out and "\n  and 10 more\n" in out and "fold 5: 10 patients" in out


def test_refusals(tree, tmp_path, capsys):
    with pytest.raises(DataError, match="no pictures at 400X"):
        check(tree, "--magnifications", "400X")
    with pytest.raises(DiskError, match="cannot be written"):
        check(tree, "--json", tmp_path / "nowhere" / "facts.json")
    for wrong in (("--folds", "1"), ("--workers", "-1"), ("--format", "camelyon")):
        with pytest.raises(SystemExit):
            check(tree, *wrong)
    assert "invalid choice: 'camelyon'" in capsys.readouterr().err
