import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dala import cli
from dala.explain import export
from dala.heatmaps import render

ROOT = Path(__file__).resolve().parent.parent


def dala(*arguments):
    command = [sys.executable, "-m", "dala", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def finished(patch_file, broken_file, tmp_path_factory):
    """One command with a valid picture, a damaged one, a missing one, and the valid one again."""
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


def test_valid_pictures_are_explained_and_bad_ones_named(finished, patch_file, broken_file):
    result, out = finished
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"{broken_file}: The picture is damaged or incomplete: save it again and retry.",
        f"{patch_file.with_name('nowhere.png')}: There is no such file.",
    ]
    assert sorted(p.name for p in out.iterdir()) == ["patch", "patch-2"]
    assert sorted(p.name for p in (out / "patch").iterdir()) == [
        "dt_grad_cam.png", "explanation.json", "grad_cam.png", "maps.npz",
    ]  # fmt: skip


def test_the_files_hold_the_same_numbers_as_python(finished, explainer, patch_file):
    folder = finished[1] / "patch"
    e = explainer.explain(patch_file)
    kept = e.threshold("percentile", 90)
    numbers = json.loads((folder / "explanation.json").read_text())
    assert numbers["probabilities"] == pytest.approx(e.probabilities, abs=1e-5)
    assert (numbers["rule"], numbers["strength"]) == ("percentile", 90)
    assert numbers["tau"]["grad_cam"] == pytest.approx(kept.tau, rel=1e-4)
    assert numbers["kept_area"]["grad_cam"] == pytest.approx(0.1, abs=0.01)
    assert numbers["model"]["sha256"] == explainer.origin.sha256
    assert numbers["versions"]["torch"]
    np.testing.assert_allclose(
        np.load(folder / "maps.npz")["grad_cam"], e.maps["grad_cam"].numpy(), rtol=1e-3, atol=1e-6
    )
    for name, picture in export.pictures(e, {"grad_cam": kept}).items():
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


def test_no_result_is_overwritten_by_another_of_the_same_command(patch_file, tmp_path):
    files = [tmp_path / "a" / "p.png", tmp_path / "p-2.png", tmp_path / "b" / "p.png"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(patch_file.read_bytes())
    out = tmp_path / "out"
    assert cli.main(["explain", str(files[0]), str(files[2]), str(files[1]), "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["p", "p-2", "p-2-2"]


def test_methods_layers_margins_and_evidence(patch_file, tmp_path):
    arguments = ["--methods", "grad_cam", "hires_cam", "eigen_cam", "--layer", "attention", "--evidence", "against"]
    code = cli.main(
        ["explain", str(patch_file), "--out", str(tmp_path), "--target", "malignant", "--over", "benign", *arguments]
    )
    assert code == 0
    numbers = json.loads((tmp_path / "patch" / "explanation.json").read_text())
    expected = ("malignant over benign", "against", "attention")
    assert (numbers["target"], numbers["evidence"], numbers["layer"]) == expected
    assert numbers["coincidence"].startswith("Grad-CAM and HiResCAM are the same map")
    assert set(np.load(tmp_path / "patch" / "maps.npz")) == {"grad_cam", "hires_cam", "eigen_cam"}
    assert (tmp_path / "patch" / "dt_eigen_cam.png").is_file()
    assert "against malignant over benign" in numbers["description"]["grad_cam"]


@pytest.fixture
def pictures(patch, patch_file, broken_file, tmp_path):
    """A folder with four pictures, one of them in a sub-folder and of another shape, and a damaged one."""
    root = tmp_path / "pictures"
    (root / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png"):
        (root / name).write_bytes(patch_file.read_bytes())
    (root / "broken.png").write_bytes(broken_file.read_bytes())
    patch.rotate(90, expand=True).save(root / "sub" / "d.png")
    return root


def rows(file):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_folder(pictures, tmp_path, capsys, explainer):
    out = tmp_path / "out"
    assert cli.main(["explain", str(pictures), "--out", str(out), "--target", "malignant"]) == 2
    assert "broken.png: The picture is damaged" in capsys.readouterr().err
    summary = rows(out / "summary.csv")
    assert [r["image"] for r in summary] == ["a.png", "b.png", "broken.png", "c.png", "sub/d.png"]
    assert [bool(r["error"]) for r in summary] == [False, False, True, False, False]
    e = explainer.explain(pictures / "a.png", "malignant")
    assert float(summary[0]["probability malignant"]) == pytest.approx(e.probabilities["malignant"], abs=1e-5)
    assert float(summary[4]["tau grad_cam"]) > 0
    np.testing.assert_allclose(
        np.load(out / "a.png" / "maps.npz")["grad_cam"], e.maps["grad_cam"], rtol=1e-3, atol=1e-6
    )
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
def test_finished_pictures_are_skipped_without_overwrite(pictures, tmp_path):
    (pictures / "broken.png").unlink()
    out = tmp_path / "out"
    arguments = ["explain", str(pictures), "--out", str(out), "--workers", "0"]
    assert cli.main(arguments) == 0
    (out / "b.png" / "explanation.json").unlink()
    before = {p: p.stat().st_mtime_ns for p in out.rglob("explanation.json")}
    assert cli.main(arguments) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert (out / "b.png" / "explanation.json").is_file()
    assert len(rows(out / "summary.csv")) == 4
    assert cli.main([*arguments, "--overwrite"]) == 0
    assert all(p.stat().st_mtime_ns > t for p, t in before.items())


@pytest.mark.slow
def test_changed_settings_or_a_changed_file_are_explained_again(pictures, tmp_path):
    (pictures / "broken.png").unlink()
    out = tmp_path / "out"
    arguments = ["explain", str(pictures), "--out", str(out), "--workers", "0"]
    assert cli.main([*arguments, "--target", "malignant"]) == 0
    assert cli.main([*arguments, "--target", "benign", "--methods", "layer_cam", "--rule", "otsu"]) == 0
    summary = rows(out / "summary.csv")
    assert {(r["target"], r["rule"]) for r in summary} == {("benign", "otsu")}
    assert sorted(p.name for p in (out / "a.png").iterdir()) == [
        "dt_layer_cam.png", "explanation.json", "layer_cam.png", "maps.npz",
    ]  # fmt: skip
    before = {p: p.stat().st_mtime_ns for p in out.rglob("explanation.json")}
    (pictures / "b.png").write_bytes((pictures / "sub" / "d.png").read_bytes())
    assert cli.main([*arguments, "--target", "benign", "--methods", "layer_cam", "--rule", "otsu"]) == 0
    assert [p.parent.name for p, t in before.items() if p.stat().st_mtime_ns > t] == ["b.png"]


@pytest.mark.slow
def test_a_picture_is_not_finished_after_an_interruption(pictures, tmp_path, monkeypatch):
    (pictures / "broken.png").unlink()
    out = tmp_path / "out"
    arguments = ["explain", str(pictures), "--out", str(out), "--workers", "0", "--methods", "grad_cam"]
    assert cli.main([*arguments, "--target", "malignant"]) == 0

    def killed(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        assert cli.main([*arguments, "--target", "malignant", "--overwrite"]) == 130
    assert not (out / "a.png" / "explanation.json").exists()
    assert cli.main([*arguments, "--target", "malignant"]) == 0
    assert len(list(out.rglob("explanation.json"))) == 4
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
def test_results_are_never_read_as_pictures(pictures, tmp_path, capsys):
    (pictures / "broken.png").unlink()
    arguments = ["explain", str(pictures), "--out", str(pictures / "out"), "--workers", "0"]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 0
    assert len(rows(pictures / "out" / "summary.csv")) == 4
    assert cli.main(["explain", str(pictures), "--out", str(pictures)]) == 2
    assert "holds the pictures themselves" in capsys.readouterr().err
    assert cli.main(["explain", str(pictures), str(pictures / "sub"), "--out", str(tmp_path / "o")]) == 2
    assert "one folder at a time" in capsys.readouterr().err


def test_every_rank_explains_its_share(pictures, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shares = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        assert cli.main(["explain", str(pictures), "--out", str(out), "--workers", "0"]) == 0
        shares.append([r["image"] for r in rows(out / f"summary-{rank}.csv")])
    # The rank with the damaged file continues, and so do the others.
    assert shares == [["a.png", "c.png"], ["b.png", "sub/d.png"], ["broken.png"]]
    assert len(list(out.rglob("explanation.json"))) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "cancer"], "no class 'cancer'"),
        (["--model", "nowhere"], "no such folder or file"),
        (["--strength", "99"], "goes from -1 to 4"),
        (["--device", "abacus"], "'abacus' is not available"),
        (["--methods", "magic"], "no method 'magic'"),
        (["--layer", "layer9"], "no layer 'layer9'"),
        (["--over", "benign"], "--over needs --target"),
    ],
)
def test_bad_arguments_are_one_sentence_and_exit_code_2(patch_file, tmp_path, capsys, arguments, words):
    assert cli.main(["explain", str(patch_file), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert not (tmp_path / "out").exists()
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_argparse_exits_with_the_same_code(capsys):
    for arguments in (["explain"], ["explain", "a.png", "--out", "b", "--rule", "magic"], ["nothing"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 2
    assert "magic" in capsys.readouterr().err


def test_a_missing_training_package_is_named_with_the_way_to_install_it():
    # In its own process, where no other test has imported the command yet.
    code = "import sys; sys.modules['imagehash'] = None; from dala.cli import main; sys.exit(main(['data']))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr == (
        "`data` needs imagehash: pip install -r requirements-train.txt; where dala is installed as a package, "
        'pip install "dala[train]".\n'
    )


@pytest.mark.parametrize(("program", "usage"), [("/usr/bin/dala", "dala"), ("/x/dala/__main__.py", "python -m dala")])
def test_the_help_names_the_program_that_was_started(monkeypatch, capsys, program, usage):
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {usage} [-h]")


def test_training_reports_bad_input_in_one_sentence(tmp_path, capsys):
    assert cli.main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "no pictures in or below this folder" in capsys.readouterr().err


def test_the_help_of_training_lists_every_setting(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--probe-epochs" in text
    assert "learning rate of the stages (default: 2e-05)" in text


def test_the_description_is_that_of_render(finished, explainer, patch_file):
    e = explainer.explain(patch_file)
    description = json.loads((finished[1] / "patch" / "explanation.json").read_text())["description"]["grad_cam"]
    assert description == render.describe("Grad-CAM", e.target, e.layer, e.heat(), e.threshold("percentile", 90))
