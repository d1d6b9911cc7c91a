"""Every figure of the model card and the README comes from a file beside the weights."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from dala import models
from dala.data import datasets, splits
from dala.models import pretrained, serialization
from dala.publishing import card_beside, card_notes, model_card

ROOT = Path(__file__).resolve().parents[2]
REPORT = json.loads((pretrained.SHIPPED / "report.json").read_text())
PEERS = json.loads((ROOT / "tests" / "benchmarks" / "peers.json").read_text())
CARD = (pretrained.SHIPPED / "README.md").read_text()
README = (ROOT / "README.md").read_text()
METHODS = (ROOT / "dala" / "cam" / "README.md").read_text()


def row(text: str, start: str) -> list[float]:
    """The figures of the table row that begins with `start`."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [float(cell) for cell in line.split("|")[2:-1]]


def test_the_card_is_the_reports():
    """After a change of `card.json` or of a sentence: `python -m dala report --card-only --out weights`."""
    beside = card_beside.read(pretrained.SHIPPED, REPORT["sha256"])
    assert model_card.card(REPORT, card_notes.read(pretrained.SHIPPED / "card.json"), beside) == CARD


def test_the_readmes_results():
    columns = ("auc", "balanced_accuracy", "patient_auc")
    image = REPORT["image_wise"]
    for start, figures in (
        ("these weights' recipe", REPORT["scores"]["figures"]),
        ("linear probe", REPORT["beside"]["probe"]["figures"]),
        ("colour alone", REPORT["beside"]["colour"]["figures"]),
        ("the same, split by image", image["figures"]),
        ("colour alone, split by image", next(iter(image["beside"].values()))["figures"]),
    ):
        line = next(line for line in README.splitlines() if line.startswith(f"| {start} |"))
        told = [cell.split()[0] for cell in line.split("|")[2:-1]]
        assert told == [f"{figures[c][0]:.2f}" for c in columns]
    low, high = REPORT["scores"]["figures"]["auc"][1:]
    assert f"| {REPORT['scores']['figures']['auc'][0]:.2f} ({low:.2f} to {high:.2f}) |" in README


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
    assert row(METHODS, start) == [PEERS["224x224"][job], PEERS["700x460"][job]]


def test_the_readmes_other_measurements():
    text = " ".join(METHODS.split())
    assert f"takes {PEERS['Ablation-CAM at 224x224, pytorch-grad-cam over ours']} times as long" in text
    assert f"and {PEERS['the same where it need not rerun the network']} times where" in text
    for job, words in (("our forward, batch-norm folded", "folded"), ("plain forward, NCHW", "the naive one in NCHW")):
        assert f"{words} {PEERS['224x224'][job]} and {PEERS['700x460'][job]}" in text
    ours, *theirs = (PEERS[f"batch of 32 at 224x224: {n}"] for n in ("dala", "torchcam", "captum", "pytorch-grad-cam"))
    assert f"runs at {ours['images/s']} images/s and peaks at {ours['peak MB']} MB" in text
    assert "{}, {} and {} images/s".format(*(t["images/s"] for t in theirs)) in text
    assert f"{min(t['peak MB'] for t in theirs)} MB or more" in text


def test_the_report_is_of_the_shipped_file():
    assert serialization.sha256(pretrained.SHIPPED / "model.safetensors") == REPORT["sha256"]
    assert models.load().model.temperature == REPORT["temperature"]
    assert (pretrained.SHIPPED / "model.safetensors").stat().st_size <= 55_000_000
    assert len(REPORT["fold_sha256"]) == 5


@pytest.mark.parametrize("baseline", ["probe", "colour", "home"])
def test_no_baseline_ranks_better_on_the_partitions_that_both_have(baseline):
    # Means of different partitions do not compare: the one of the probe is harder than the five of the network.
    assert REPORT["comparison"]["runs"][baseline]["difference"]["auc"]["value"] < 0


def test_the_cards_metadata_is_readable():
    told = ModelCard(CARD)
    assert told.data.license == "cc-by-nc-4.0"
    assert told.data.library_name == "dala"
    values = {r.metric_type: r.metric_value for r in told.data.eval_results}
    assert REPORT["scores"]["figures"]["auc"][0] in values.values()


@pytest.mark.real_data
def test_the_shipped_splits_are_of_the_real_patients(real_patches):
    items = datasets.read(real_patches[0].parents[6], "breakhis").items
    split = splits.read(pretrained.SHIPPED / "splits" / "patient.json", items)
    assert len(split.partitions) == 5
    for p, partition in enumerate(split.partitions):
        for f in range(len(partition)):
            assert all(split.sides(items, p, f))
    image = splits.read(pretrained.SHIPPED / "splits" / "image.json", items)
    assert image.protocol == "image"
    train, held = image.sides(items, 0, 0)
    assert {i.patient for i in train} & {i.patient for i in held}


def test_the_card_lists_every_set_with_its_licence():
    rows = [
        {
            "title": "BreakHis", "laboratory": "B", "images": 429, "patients": 26, "classes": {}, "weight": 1,
            "zoom": None, "licence": "CC BY 4.0", "citation": "Spanhol et al., 2016",
        },
        {
            "title": "tiles", "laboratory": "T", "images": 90, "patients": None, "classes": {}, "weight": 0.3,
            "zoom": 0.42, "licence": "Apache-2.0",
        },
    ]  # fmt: skip
    provenance = {k: v for k, v in REPORT["provenance"].items() if k != "also"} | {"sources": rows}
    text = " ".join(model_card.card(REPORT | {"provenance": provenance}, card_notes.CardNotes()).split())
    assert "training also used sets that are not scored: 90 pictures of tiles" in text
    assert "| BreakHis | B | 429 | 26 | 1 | fitted | CC BY 4.0 |" in text
    assert "- BreakHis: Spanhol et al., 2016." in text
    assert "| tiles | T | 90 | unknown | 0.3 | 0.42 | Apache-2.0 |" in text
