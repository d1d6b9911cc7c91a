"""The report of a cross-validated run with its figures, splits and model card, through `dala report`."""

import argparse
import json
import re
import shutil

import pytest
from huggingface_hub import ModelCard

from dala import models
from dala.commands import report as command
from dala.evaluation.comparison import CompareError
from dala.hub.report import ReportError
from dala.models import serialization
from dala.publishing import card_notes, run_report
from dala.publishing.card_notes import CardNotes, CardNotesError
from dala.publishing.model_card import card
from dala.publishing.run_report import PublicationError
from tests.support.runs import PLOTS, files, predictions, save


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(a) for a in (*arguments, "--bootstrap", 40)]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    save(root / "net", predictions(), shipped=True, lr=1e-4, partitions=3)
    save(root / "plain", predictions(1.2, seed=1), "resnet50")
    save(root / "colour", predictions(0.4, seed=2), "colour")
    save(root / "image", predictions(3.5, seed=3, by_image=True), protocol="image")
    save(root / "image-colour", predictions(0.6, seed=4, by_image=True), "colour", "image")
    save(root / "fast", predictions(1.0, seed=5, partitions=1), inner=True, lr=1e-3, partitions=1)
    save(root / "slow", predictions(1.4, seed=6, partitions=1), inner=True, lr=1e-4, partitions=1)
    return root


@pytest.fixture(scope="module")
def arguments(runs):
    return [
        runs / "net", "--beside", runs / "plain", runs / "colour", "--image-wise", runs / "image",
        "--image-wise-beside", runs / "image-colour", "--choice", runs / "fast", runs / "slow",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def published(arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("published") / "deep" / "out"
    assert run(*arguments, "--out", out) == 0
    return out


@pytest.fixture(scope="module")
def report(published):
    return json.loads((published / "report.json").read_text(encoding="utf-8"))


def numbers(value):
    """All numbers in a piece of JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def cells(text):
    """The cells of all tables' rows below their heads, without the row's name."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [cell for row in rows if "---" not in row for cell in row.split(" | ")[1:]]


def test_a_publication_is_complete(published, report):
    expected = {"README.md", "report.json", serialization.FILE, serialization.CONFIG, *PLOTS}
    assert files(published).keys() == expected | {"splits/patient.json", "splits/image.json"}
    assert serialization.sha256(published / serialization.FILE) == report["sha256"]
    text = (published / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.png)\)", text)) == set(PLOTS)
    assert models.load(published).sha256 == report["sha256"]


@pytest.mark.slow
def test_the_same_bytes_twice_and_in_place(arguments, published, tmp_path):
    here = tmp_path / "net"
    shutil.copytree(arguments[0], here)
    for _ in range(2):
        run(here, *arguments[1:], "--out", here)
        again = files(here)
        assert {name: again[name] for name in files(published)} == files(published)


def test_the_hub_reads_the_results_back(published, report):
    data = ModelCard((published / "README.md").read_text(encoding="utf-8")).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("cc-by-nc-4.0", "dala", "image-classification")
    results = {r.metric_type: r for r in data.eval_results}
    for kind, name in (("roc_auc", "auc"), ("balanced_accuracy", "balanced_accuracy"), ("accuracy", "accuracy")):
        assert results[kind].metric_value == report["scores"]["figures"][name][0]
    assert results["roc_auc"].dataset_name == "BreakHis" and results["roc_auc"].dataset_config == "100X"
    assert results["roc_auc"].dataset_split == "by patient, 3 partitions into 4 folds"


def test_every_figure_of_every_table_is_in_the_report(published, report):
    known = numbers(report)
    text = (published / "README.md").read_text(encoding="utf-8")
    told = [n for cell in cells(text) for n in re.findall(r"(?<![\w.`=])[+-]?\d+\.\d+(?![\w.])", cell)]
    assert len(told) > 200
    for n in told:
        digits = len(n.split(".")[1])
        # The report is rounded too: to the fourth digit, so that its third may be one off.
        assert any(abs(float(n) - k) <= 0.5 * 10**-digits + 1e-9 for k in known), n


def test_the_results_table_is_the_network_beside_each_baseline(published, report):
    text = (published / "README.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0][2:]: line.split(" | ")[1:] for line in text.splitlines() if line.startswith("| ")}
    for row, figures in (
        ("**DALAResNet50**", report["scores"]["figures"]),
        ("ResNet-50", report["beside"]["resnet50"]["figures"]),
    ):
        assert rows[row][0] == "{:.3f} [{:.2f}, {:.2f}]".format(*figures["auc"])
    difference = report["comparison"]["runs"]["resnet50"]["difference"]["auc"]
    assert rows["ResNet-50"][5].startswith(f"{difference['value']:+.3f} [{difference['low']:+.2f}")
    # What the columns show is what the difference is of.
    shown = report["beside"]["resnet50"]["figures"]["auc"][0] - report["scores"]["figures"]["auc"][0]
    assert difference["value"] == pytest.approx(shown, abs=0.0002)


def test_each_patient_and_fold_has_its_own_row(published, report):
    text = (published / "README.md").read_text(encoding="utf-8")
    for r in report["scores"]["by_patient"]:
        row = f"| {r['patient']} | {r['label']} | {', '.join(r['slides'])} | {r['images']} | {r['right']:.3f} |"
        assert f"{row} {r['probability']:.3f} |" in text
    for p, part in enumerate(report["scores"]["by_fold"]):
        for f, fold in enumerate(part):
            row = f"| {p} | {f} | {fold['images']} | {fold['patients']} | {fold['auc']:.3f} |"
            assert f"{row} {fold['balanced_accuracy']:.3f} |" in text
    worst = report["scores"]["by_patient"][0]
    assert worst["right"] < 0.5 and f"{worst['patient']} ({worst['label']}, slides {worst['slides'][0]}, " in text


def test_both_splits_stand_side_by_side(published, report):
    text = (published / "README.md").read_text(encoding="utf-8")
    assert report["image_wise"]["figures"]["auc"][0] > report["scores"]["figures"]["auc"][0]
    section = text[text.index("## Split by image and by patient") :].split("\n## ")[0]
    assert section.count("| by image |") == section.count("| by patient |") == 2
    assert "leakage" in section and "98.7 % accuracy at 100X" in section


def test_the_choice_names_what_differs_and_which_was_taken(report):
    choice = report["choice"]
    assert {t: (r["chosen"], r["settings"]) for t, r in choice.items()} == {
        "fast": (False, {"lr": 1e-3}),
        "slow": (True, {"lr": 1e-4}),
    }


def test_sentences_about_breakhis_are_for_breakhis(report):
    assert "8.7 px" in card(report) and "22549AB" in card(report)
    other = card({**report, "provenance": {**report["provenance"], "data": "BACH", "magnification": None}})
    for words in ("BreakHis", "8.7 px", "22549AB", "98.7 %", "Spanhol, Oliveira", "100X."):
        assert words not in other
    assert "# DALAResNet50 on BACH\n" in other


def test_a_card_of_a_run_alone(runs, tmp_path, capsys):
    assert run(runs / "plain", "--out", tmp_path) == 0
    assert not (tmp_path / serialization.FILE).exists() and not (tmp_path / "protocols.png").exists()
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "# ResNet-50 on BreakHis at 100X" in text and "Δ" not in text and "protocols.png" not in text
    auc = json.loads((tmp_path / "report.json").read_text())["scores"]["figures"]["auc"]
    assert (
        "auc{:17}{:.3f}  [{:.3f}, {:.3f}]".format("", *auc).split() == capsys.readouterr().out.splitlines()[1].split()
    )


def test_a_card_of_three_classes_held_out_once(tmp_path):
    folder = save(tmp_path / "run", predictions(classes=3, partitions=1, folds=1), protocol="holdout")
    assert run(folder, "--out", tmp_path / "out") == 0
    text = " ".join((tmp_path / "out" / "README.md").read_text(encoding="utf-8").split())
    for words in ("It separates 3 classes in held-out patients", "24 patients were held out", "without scaling"):
        assert words in text
    assert (tmp_path / "out" / "splits" / "holdout.json").exists()


def test_other_weights_than_the_reports(arguments, tmp_path):
    here, out = tmp_path / "net", tmp_path / "out"
    shutil.copytree(arguments[0], here)
    file = here / serialization.FILE
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(PublicationError, match="SHA-256 is not the one in report.json"):
        run(here, "--out", out)
    file.unlink()
    with pytest.raises(PublicationError, match="no such file, although report.json has its SHA-256"):
        run(here, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("slow",), "was scored within training sides"),
        (("image",), "was split by image, so it cannot be compared with runs split by patient"),
        (("net", "--image-wise", "plain"), "was split by patient, not by image"),
        (("net", "--choice", "plain"), "was scored on the held-out folds, so it cannot be"),
        (("net", "--image-wise-beside", "image-colour"), "is compared with the network split by image"),
        ((), "Name the RUN to report"),
    ],
)
def test_what_cannot_be_published(runs, tmp_path, given, sentence):
    named = [runs / a if a in {p.name for p in runs.iterdir()} else a for a in given]
    with pytest.raises(PublicationError, match=sentence):
        run(*named, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_on_another_split_or_of_the_same_name(runs, tmp_path):
    with pytest.raises(CompareError, match="not of the same split"):
        run(runs / "net", "--beside", save(tmp_path / "odd", predictions(folds=3), "colour"), "--out", tmp_path / "out")
    (tmp_path / "two").mkdir()
    twins = [save(folder / "same", predictions(), "probe") for folder in (tmp_path, tmp_path / "two")]
    with pytest.raises(PublicationError, match="Two runs are called same"):
        run(runs / "net", "--beside", *twins, "--out", tmp_path / "out")


def test_a_report_that_is_none(tmp_path):
    folder = save(tmp_path / "a", predictions(partitions=1))
    partial = '{"title": "a"}'
    for text, sentence in (("{", "not JSON"), ("[]", "not a JSON object"), (partial, "network is missing")):
        (folder / "report.json").write_text(text)
        with pytest.raises(ReportError, match=sentence):
            run(folder, "--out", tmp_path / "out")
    with pytest.raises(ReportError, match="No such file"):
        run(tmp_path / "none", "--out", tmp_path / "out")


@pytest.mark.slow
def test_notes_in_the_output_folder_name_the_runs(arguments, runs, tmp_path):
    (tmp_path / "card.json").write_text(json.dumps({"names": {"resnet50": "A network of ours"}, "data": "Scanned."}))
    assert run(*arguments, "--out", tmp_path) == 0
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| A network of ours | 0." in text and "| ResNet-50 | 0." not in text
    assert "CC BY 4.0. Scanned." in text
    assert card_notes.read(tmp_path / "card.json") == CardNotes(
        names={"resnet50": "A network of ours"}, data="Scanned."
    )


def test_the_card_alone_is_generated_again(published, tmp_path):
    folder = shutil.copytree(published, tmp_path / "out")
    (folder / "README.md").write_text("")
    assert run("--card-only", "--out", folder) == 0
    assert files(folder) == files(published)
    (folder / "card.json").write_text('{"names": {"resnet50": "A network of ours"}}')
    assert run("--card-only", "--out", folder) == 0
    assert "| A network of ours | 0." in (folder / "README.md").read_text(encoding="utf-8")
    (folder / "card.json").write_text('{"names": ["resnet50"]}')
    with pytest.raises(CardNotesError, match="card.json: names: Input should be a valid dictionary"):
        run("--card-only", "--out", folder)


def test_no_card_is_generated_from_a_report_without_scores(runs, tmp_path):
    shutil.copy(runs / "plain" / "report.json", tmp_path)
    with pytest.raises(ReportError, match="scores is missing"):
        run_report.write_card(tmp_path, CardNotes())
    report = json.loads((tmp_path / "report.json").read_text())
    scores = {"images": 1, "patients": 1, "partitions": 1, "folds": 1, "figures": {}}
    (tmp_path / "report.json").write_text(json.dumps(report | {"scores": scores}))
    with pytest.raises(PublicationError, match="was not written by `dala report`"):
        run_report.write_card(tmp_path, CardNotes())
    assert not (tmp_path / "README.md").exists()
