"""`card.json`: what a model card says and no report can know."""

import json
import re

import pytest

from dala.models import pretrained
from dala.publishing import card_notes, card_text
from dala.publishing.card_notes import CardNotes, CardNotesError

DIGEST = "ab" * 32


def test_the_shipped_notes_name_every_run_of_the_report():
    notes = card_notes.read(pretrained.SHIPPED / "card.json")
    report = json.loads((pretrained.SHIPPED / "report.json").read_text())
    titles = [report["title"], *report["beside"], report["image_wise"]["title"]]
    assert all(card_text.name(title, notes) != title for title in titles)
    assert notes.names.keys() <= report["beside"].keys()
    assert report["provenance"]["start"]["sha256"] in notes.starts


def test_no_run_is_named_in_the_code():
    assert card_text.name("1050x690") == "1050x690"
    assert card_text.name("dala") == "DALAResNet50"
    assert card_text.name("dala", CardNotes(names={"dala": "Ours"})) == "Ours"


def test_missing_notes_are_empty(tmp_path):
    assert card_notes.read(tmp_path / "card.json") == CardNotes()
    (tmp_path / "card.json").write_text("{}")
    assert card_notes.read(tmp_path / "card.json") == CardNotes()


def test_a_start_is_described_by_its_digest():
    record = {"name": "start.safetensors", "sha256": DIGEST}
    assert "`start.safetensors`, under its publisher's licence." in card_text.start(record, CardNotes())
    text = card_text.start(record, CardNotes(starts={DIGEST: "From a colleague."}))
    assert text == f"- Initial weights: From a colleague. SHA-256 `{DIGEST}`."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "the file: Input should be"),
        ('{"title": "x"}', "title: Extra inputs are not permitted"),
        ('{"names": {"a": 7}}', "names.a: Input should be a valid string"),
        ('{"names": {"a": "two\\nlines"}}', "names.a: String should match"),
        ('{"starts": {"abc": "x"}}', "starts.abc.*: String should match"),
        ('{"data": ""}', "data: String should match"),
        (json.dumps({"data": "x" * 501}), "data: String should have at most 500"),
        (" " * 100_001 + "{}", r"cannot be read as JSON .larger than 100,000 bytes"),
    ],
)
def test_notes_that_cannot_be_used_are_one_sentence(content, words, tmp_path):
    file = tmp_path / "card.json"
    file.write_text(content)
    with pytest.raises(CardNotesError, match=rf"^{re.escape(str(file))}: {words}") as caught:
        card_notes.read(file)
    assert "\n" not in str(caught.value)
