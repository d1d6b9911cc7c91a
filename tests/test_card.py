"""Every figure of the model card and the README comes from a file beside the weights."""

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from dala import weights
from dala.data import assert_disjoint

ROOT = Path(__file__).resolve().parent.parent
REPORT = json.loads((weights.SHIPPED / "report.json").read_text())
SIZES = json.loads((weights.SHIPPED / "input_size.json").read_text())
PEERS = json.loads((ROOT / "tests" / "benchmarks" / "peers.json").read_text())
CARD = (weights.SHIPPED / "README.md").read_text()
README = (ROOT / "README.md").read_text()


def row(text: str, start: str) -> list[float]:
    """The figures of the table row that begins with `start`."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [float(cell) for cell in line.split("|")[2:-1]]


@pytest.mark.parametrize(
    ("start", "source"),
    [
        ("these weights", REPORT["held_out"]),
        ("the probe before", REPORT["held_out_before_choosing"]),
        ("colour alone, logistic", REPORT["held_out_colour_only"]),
    ],
)
def test_the_cards_results(start, source):
    keys = ("auc", "balanced_accuracy", "accuracy", "gmean", "patient_auc")
    assert row(CARD, start) == pytest.approx([source[k] for k in keys], abs=0.0005001)


@pytest.mark.parametrize(("start", "name"), [("700×460", "700x460"), ("525×345", "525x345"), ("350×230", "350x230")])
def test_the_cards_input_sizes(start, name):
    keys = ("auc", "balanced_accuracy", "patient_auc")
    assert row(CARD, start) == pytest.approx([SIZES[name][k] for k in keys], abs=0.0005001)


def test_the_readmes_results():
    keys = ("auc", "balanced_accuracy", "accuracy")
    for start, source in (("these weights", "held_out"), ("colour alone", "held_out_colour_only")):
        assert row(README, start) == pytest.approx([REPORT[source][k] for k in keys], abs=0.0005001)


@pytest.mark.parametrize(
    ("start", "job"),
    [
        ("Grad-CAM, dala", "Grad-CAM: dala"),
        ("Grad-CAM, captum", "Grad-CAM: captum"),
        ("Grad-CAM, torchcam", "Grad-CAM: torchcam"),
        ("Grad-CAM, pytorch-grad-cam", "Grad-CAM: pytorch-grad-cam"),
        ("all seven", "seven methods and DT: dala"),
        ("Ablation-CAM over", "Ablation-CAM, 2048 channels: dala"),
    ],
)
def test_the_readmes_speeds(start, job):
    assert row(README, start) == [PEERS["224x224"][job], PEERS["700x460"][job]]


def test_the_readmes_other_measurements():
    text = " ".join(README.split())
    assert f"takes {PEERS['Ablation-CAM at 224x224, pytorch-grad-cam over ours']} times as long" in text
    assert f"and {PEERS['the same where it need not rerun the network']} times where" in text
    for job, words in (("our forward, batch-norm folded", "folded"), ("plain forward, NCHW", "the naive one in NCHW")):
        assert f"{words} {PEERS['224x224'][job]} and {PEERS['700x460'][job]}" in text
    ours, *theirs = (PEERS[f"batch of 32 at 224x224: {n}"] for n in ("dala", "torchcam", "captum", "pytorch-grad-cam"))
    assert f"runs at {ours['images/s']} images/s and peaks at {ours['peak MB']} MB" in text
    assert "{}, {} and {} images/s".format(*(t["images/s"] for t in theirs)) in text
    assert f"{min(t['peak MB'] for t in theirs)} MB or more" in text


def test_the_chosen_epoch_and_the_counts():
    assert REPORT["chosen"].startswith(re.search(r"these weights, (epoch \d+)", CARD)[1])
    train, held_out = REPORT["provenance"]["train"], REPORT["provenance"]["held_out"]
    for text in (CARD, README):
        assert f"{train['images']} pictures of {train['patients']}" in text
        assert f"{held_out['images']} pictures of {held_out['patients']} patients" in text
    benign, malignant = (round(100 * r) for r in REPORT["held_out"]["recall"])
    assert f"{malignant} % of the malignant and {benign} % of\nthe benign" in CARD


def test_the_report_is_of_the_shipped_file():
    assert weights.sha256(weights.SHIPPED / "model.safetensors") == REPORT["sha256"]
    split = json.loads((weights.SHIPPED / "splits" / "held_out.json").read_text())
    assert sorted(p for patients in REPORT["held_out_patients"].values() for p in patients) == split["held_out"]
    assert not set(split["train"]) & set(split["held_out"])


def test_the_cards_metadata_is_readable():
    card = ModelCard(CARD)
    assert card.data.license == "cc-by-nc-4.0"
    assert card.data.library_name == "dala"


@pytest.mark.real_data
def test_the_shipped_split_is_a_split_of_the_real_patients(real_patches):
    from dala import formats

    items = formats.read(real_patches[0].parents[6], "breakhis").items
    split = json.loads((weights.SHIPPED / "splits" / "held_out.json").read_text())
    sides = [[i for i in items if i.patient in split[name]] for name in ("train", "held_out")]
    assert_disjoint(*sides)
    assert sum(map(len, sides)) == len(items)
