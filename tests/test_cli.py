import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dala import cli, export, render

ROOT = Path(__file__).resolve().parent.parent


def dala(*arguments):
    command = [sys.executable, "-m", "dala", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def done(patch_file, broken_file, tmp_path_factory):
    """One call with a good picture, a broken one, one that is not there, and a good one again."""
    out = tmp_path_factory.mktemp("out")
    nowhere = patch_file.with_name("nowhere.png")
    arguments = [
        "explain",
        patch_file,
        broken_file,
        nowhere,
        patch_file,
        "--out",
        out,
        "--rule",
        "percentile",
        "--strength",
        90,
    ]
    return dala(*arguments), out


def test_the_good_ones_are_done_and_the_bad_ones_named(done, patch_file, broken_file):
    result, out = done
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"{broken_file}: The picture is damaged or incomplete: save it again and retry.",
        f"{patch_file.with_name('nowhere.png')}: There is no such file.",
    ]
    assert sorted(p.name for p in out.iterdir()) == ["patch", "patch-2"]
    assert sorted(p.name for p in (out / "patch").iterdir()) == [
        "dt_grad_cam.png", "explanation.json", "grad_cam.png", "maps.npz",
    ]  # fmt: skip


def test_the_files_say_what_python_says(done, explainer, patch_file):
    folder = done[1] / "patch"
    e = explainer.explain(patch_file)
    kept = e.threshold("percentile", 90)
    told = json.loads((folder / "explanation.json").read_text())
    assert told["probabilities"] == pytest.approx(e.probabilities, abs=1e-5)
    assert (told["rule"], told["strength"]) == ("percentile", 90)
    assert told["tau"] == pytest.approx(kept.tau, rel=1e-4)
    assert told["kept_area"] == pytest.approx(0.1, abs=0.01)
    assert told["model"]["sha256"] == explainer.origin.sha256
    assert told["versions"]["torch"]
    np.testing.assert_allclose(
        np.load(folder / "maps.npz")["grad_cam"], e.maps["grad_cam"].numpy(), rtol=1e-3, atol=1e-6
    )
    for name, picture in export.pictures(e, kept).items():
        saved = np.asarray(Image.open(folder / f"{name}.png")).astype(int)
        assert (np.abs(saved - np.asarray(picture)) <= 1).mean() > 0.999


def test_the_same_command_twice_gives_the_same_bytes(explainer, patch_file):
    first, second = (export.files(explainer.explain(patch_file), explainer) for _ in range(2))
    for name in first:
        if name == "explanation.json":
            a, b = (json.loads(files[name]) for files in (first, second))
            assert {**a, "seconds": 0} == {**b, "seconds": 0}
        else:
            assert first[name] == second[name]


def test_no_result_is_overwritten_by_another_of_the_same_call(patch_file, tmp_path):
    files = [tmp_path / "a" / "p.png", tmp_path / "p-2.png", tmp_path / "b" / "p.png"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(patch_file.read_bytes())
    out = tmp_path / "out"
    assert cli.main(["explain", str(files[0]), str(files[2]), str(files[1]), "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["p", "p-2", "p-2-2"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "cancer"], "no class 'cancer'"),
        (["--model", "nowhere"], "no such folder or file"),
        (["--strength", "99"], "goes from -1 to 4"),
        (["--device", "abacus"], "'abacus' is not to be had"),
    ],
)
def test_bad_arguments_are_one_sentence_and_exit_code_2(patch_file, tmp_path, capsys, arguments, words):
    assert cli.main(["explain", str(patch_file), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert not (tmp_path / "out").exists()
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_argparse_refuses_with_the_same_code(capsys):
    for arguments in (["explain"], ["explain", "a.png", "--out", "b", "--rule", "magic"], ["nothing"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 2
    assert "magic" in capsys.readouterr().err


def test_training_refuses_with_a_sentence(tmp_path, capsys):
    assert cli.main(["train", "--data", str(tmp_path)]) == 2
    assert "no BreakHis pictures" in capsys.readouterr().err


def test_every_setting_of_training_is_explained(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "--probe-epochs" in told
    assert "learning rate of the stages (default: 2e-05)" in told


def test_the_description_is_the_renders(done, explainer, patch_file):
    e = explainer.explain(patch_file)
    told = json.loads((done[1] / "patch" / "explanation.json").read_text())["description"]
    assert told == render.describe(e.target, e.layer, e.heat(), e.threshold("percentile", 90))
