"""Publishing a model: the exact folder, and the exact calls, up to a Hub that takes them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, ModelCard
from PIL import Image

from dala import DALAResNet50, cli, models
from dala.hub import upload
from dala.hub.report import ReportError
from dala.hub.upload import Repository, UploadError
from dala.images import reading
from dala.models import pretrained, serialization
from dala.publishing import model_folder, samples
from dala.publishing.card_notes import CardNotesError
from dala.publishing.model_folder import PublishError
from tests.support.fake_hub_upload import COMMIT, ReceivingHub, Recorder
from tests.support.runs import files, predictions, save

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Weights and config, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    torch.manual_seed(0)
    model = DALAResNet50(["a|b", "c"], {"height": 64, "width": 96}, {"data": "my\nslides", "images": 12, "patients": 3})
    serialization.save(model, folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A cross-validated run with final weights, as training leaves it, and what does not belong on the Hub."""
    folder = save(tmp_path_factory.mktemp("runs") / "dala", predictions(), shipped=True)
    (folder / "settings.json").write_text("{}")
    (folder / "final").mkdir()
    (folder / "final" / "last.pt").write_bytes(b"\x80")
    return folder


@pytest.fixture(scope="module")
def published(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "folder"
    return folder, model_folder.prepare(run, folder)


def test_the_shipped_folder_goes_out_as_it_is(tmp_path):
    model_folder.prepare(pretrained.SHIPPED, tmp_path / "out")
    sent, own = files(tmp_path / "out"), files(pretrained.SHIPPED)
    assert {"model.safetensors", "config.json", "README.md", "report.json", "card.json"} <= sent.keys()
    assert any(name.startswith("splits/") for name in sent)
    assert "regenerate.sh" not in sent
    assert {name: own[name] for name in sent if name != "config.json"} == {
        name: content for name, content in sent.items() if name != "config.json"
    }
    assert json.loads(sent["config.json"]) == json.loads(own["config.json"])


def test_a_run_becomes_weights_card_report_splits_and_plots(published, run):
    folder, notes = published
    assert sorted(files(folder)) == [
        "README.md", "config.json", "confusion.png", "model.safetensors", "reliability.png", "report.json", "roc.png",
        "splits/patient.json",
    ]  # fmt: skip
    assert (folder / serialization.FILE).read_bytes() == (run / serialization.FILE).read_bytes()
    assert json.loads((folder / "config.json").read_text())["sha256"] == serialization.sha256(
        folder / serialization.FILE
    )
    assert notes == []


def test_what_was_published_is_published_again_to_the_byte(published, tmp_path):
    model_folder.prepare(published[0], tmp_path / "again")
    assert files(tmp_path / "again") == files(published[0])


def test_the_card_round_trips_through_the_hubs_own(published, tmp_path):
    text = (published[0] / "README.md").read_text()
    card = ModelCard(text)
    report = json.loads((published[0] / "report.json").read_text())
    (index,) = card.data.to_dict()["model-index"]
    found = {m["type"]: m["value"] for r in index["results"] for m in r["metrics"]}
    figures = report["scores"]["figures"]
    assert found == {
        "roc_auc": figures["auc"][0],
        "balanced_accuracy": figures["balanced_accuracy"][0],
        "accuracy": figures["accuracy"][0],
    }
    card.save(tmp_path / "README.md")
    again = ModelCard.load(tmp_path / "README.md")
    assert again.data.to_dict() == card.data.to_dict()
    assert again.text == card.text


def test_weights_alone_get_a_card_that_says_what_is_not_known(bare, tmp_path):
    notes = model_folder.prepare(bare, tmp_path / "out")
    assert sorted(files(tmp_path / "out")) == ["README.md", "config.json", "model.safetensors"]
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert (card.data.license, card.data.library_name, card.data.eval_results) == ("unknown", "dala", None)
    digest = serialization.sha256(bare / serialization.FILE)
    for words in ("not for diagnosis", "names no figure", "`a\\|b`, `c`", "my slides, 12 pictures, 3 patients", digest):
        assert words in card.text
    assert [note.split(":")[0] for note in notes] == ["README.md has no model-index", "README.md names no licence"]
    card.save(tmp_path / "again.md")
    assert ModelCard.load(tmp_path / "again.md").data.to_dict() == card.data.to_dict()


def test_a_config_without_digest_is_published_with_one(bare, tmp_path):
    shutil.copytree(bare, tmp_path / "in")
    config = json.loads((bare / "config.json").read_text())
    digest = config.pop("sha256")
    (tmp_path / "in" / "config.json").write_text(json.dumps(config))
    model_folder.prepare(tmp_path / "in", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["sha256"] == digest


def change(folder, **contents):
    for name, content in contents.items():
        file = (
            folder / {"card": "README.md", "report": "report.json", "config": "config.json", "notes": "card.json"}[name]
        )
        file.write_text(content)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({"card": "# No metadata"}, "does not begin with the Hub's metadata"),
        ({"card": "---\n- a list\n---\n"}, "its metadata cannot be read"),
        ({"card": "---\na: [\n---\n"}, "its metadata cannot be read"),
        ({"card": "---\na: b\n---\n![plot](roc.png)"}, "shows roc.png, which does not exist"),
        ({"card": "---\na: b\n---\n![plot](../outside.png)"}, r"shows ../outside.png, which does not exist"),
        ({"card": "---\na: b\n---\n", "report": '{"sha256": "00"}'}, "belongs to other weights"),
        ({"card": "---\na: b\n---\n", "report": "["}, "is not JSON"),
        ({"card": "---\na: b\n---\n", "notes": '{"name": {}}'}, "card.json: name: Extra inputs are not permitted"),
    ],
)
def test_a_folder_that_does_not_fit_together_is_refused(bare, tmp_path, contents, words):
    folder = tmp_path / "in"
    shutil.copytree(bare, folder)
    (tmp_path / "outside.png").write_bytes(b"")
    change(folder, **contents)
    with pytest.raises((PublishError, CardNotesError, ReportError), match=words):
        model_folder.prepare(folder, tmp_path / "a" / "out")


def test_what_is_there_already_is_not_mixed_with(bare, tmp_path):
    (tmp_path / "old").write_text("")
    with pytest.raises(PublishError, match="not empty"):
        model_folder.prepare(bare, tmp_path)
    with pytest.raises(PublishError, match="no such folder"):
        model_folder.prepare(tmp_path / "nowhere", tmp_path / "out")


def test_nothing_but_what_is_published_may_be_sent(bare, tmp_path):
    model_folder.prepare(bare, tmp_path / "out")
    (tmp_path / "out" / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(PublishError, match=r"pytorch_model.bin: files of this kind are not published"):
        model_folder.check(tmp_path / "out")


def test_samples_are_published_as_pixels_with_their_list(bare, tmp_path):
    own = tmp_path / "own"
    (own / "below").mkdir(parents=True)
    secret = Image.Exif()
    secret[270] = "Jane Doe"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for name in ("duct.tif", "below/duct.jpg"):
        Image.fromarray(pixels).save(own / name, exif=secret)
    rows = [
        {"file": "duct.tif", "caption": "A duct", "origin": "our lab", "licence": "CC0-1.0", "um_per_pixel": 0.5},
        {"file": "below/duct.jpg", "caption": "Again"},
    ]
    (own / "samples.json").write_text(json.dumps(rows))
    notes = model_folder.prepare(bare, tmp_path / "out", own)
    told = samples.read(tmp_path / "out" / "samples")
    assert [(s.file.name, s.caption, s.origin, s.licence, s.um_per_pixel) for s in told] == [
        ("duct.png", "A duct", "our lab", "CC0-1.0", 0.5), ("duct-2.png", "Again", "", "", None),
    ]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(reading.read(told[0].file)), pixels)
    assert not any(b"Jane" in content for content in files(tmp_path / "out" / "samples").values())
    assert "lacks the origin or licence of duct.jpg." in notes[-1]


def test_samples_without_a_list_are_asked_for_one(bare, tmp_path):
    (tmp_path / "own").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "own" / "mine.png")
    notes = " ".join(model_folder.prepare(bare, tmp_path / "out", tmp_path / "own"))
    assert "none names a patient; origin and licence of the patches are missing" in notes
    assert [s.caption for s in samples.read(tmp_path / "out" / "samples")] == ["mine"]


def test_a_sample_that_is_no_picture_stops_it(bare, tmp_path, broken_file):
    (tmp_path / "own").mkdir()
    shutil.copy(broken_file, tmp_path / "own" / "x.png")
    with pytest.raises(PublishError, match=r"x.png: The picture is damaged"):
        model_folder.prepare(bare, tmp_path / "out", tmp_path / "own")
    with pytest.raises(samples.SamplesError, match="no such folder"):
        model_folder.prepare(bare, tmp_path / "out2", tmp_path / "nowhere")


def test_the_exact_calls(bare, tmp_path, monkeypatch, capsys):
    hub = Recorder(tmp_path / "kept")
    monkeypatch.setattr(upload, "client", lambda token=None: hub)
    out = tmp_path / "out"
    arguments = ["publish", "--repo-id", "you/net", "--model", str(bare), "--private", "--out", str(out)]
    assert cli.main(arguments) == 0
    assert hub.calls == [
        ("create_repo", ("you/net",), {"repo_type": "model", "private": True, "exist_ok": True}),
        ("repo_info", ("you/net",), {"repo_type": "model"}),
        (
            "upload_folder",
            (),
            {
                "repo_id": "you/net", "repo_type": "model", "commit_message": f"Publish {bare.name}",
                "delete_patterns": ["splits/*", "samples/*"],
            },
        ),
    ]  # fmt: skip
    assert files(hub.kept) == files(out)
    assert f"you/net@{COMMIT}" in capsys.readouterr().out


def test_a_public_repository_is_not_filled_when_a_private_one_was_asked_for(bare, tmp_path):
    hub = Recorder(tmp_path / "kept", private=False)
    with pytest.raises(UploadError, match="there already, and public: nothing was sent"):
        upload.send(bare, Repository("you/net", private=True), hub, "message")
    assert [name for name, *_ in hub.calls] == ["create_repo", "repo_info"]


def test_push_to_hub_sends_the_same_folder(bare, tmp_path, monkeypatch):
    hub = Recorder(tmp_path / "kept")
    monkeypatch.setattr(upload, "client", lambda token=None: hub)
    model = models.load(bare).model
    assert model.push_to_hub("you/net", branch="next") == f"https://huggingface.co/you/net/commit/{COMMIT}"
    model_folder.prepare(bare, tmp_path / "out")
    assert files(hub.kept) == files(tmp_path / "out")
    assert [(name, kwargs.get("private"), kwargs.get("revision")) for name, _, kwargs in hub.calls] == [
        ("create_repo", None, None), ("upload_folder", None, "next"),
    ]  # fmt: skip
    with pytest.raises(UploadError, match="takes no ignore_patterns"):
        model.push_to_hub("you/net", ignore_patterns="*.json")
    model.save_pretrained(tmp_path / "saved")
    assert "names no figure" in (tmp_path / "saved" / "README.md").read_text()


@pytest.mark.parametrize("name", ["net", "you/", "a/b/c", "you/n..t", "", "you/net@main"])
def test_an_id_that_is_none(name):
    with pytest.raises(UploadError, match="write it as user/name"):
        Repository(name)


@pytest.mark.slow
def test_without_a_token_it_says_how_to_log_in(tmp_path):
    env = {k: v for k, v in os.environ.items() if k not in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
    command = [sys.executable, "-m", "dala", "publish", "--repo-id", "you/net", "--out", tmp_path / "out"]
    told = subprocess.run(
        command, cwd=ROOT, env={**env, "HF_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "Publishing needs an account on the Hub: log in with `hf auth login`, or set HF_TOKEN.\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "not accept the token"), (402, "a subscription"), (403, "may not write there"), (500, "answered 500: ")],
)
def test_what_the_hub_refuses_is_one_sentence(bare, tmp_path, status, words):
    with ReceivingHub(tmp_path, refuse=status) as hub, pytest.raises(UploadError) as told:
        upload.send(bare, Repository("you/net"), HfApi(hub.url, "hf_token"), "message")
    assert re.fullmatch(rf"you/net: [^\n]*{words}[^\n]*\.", str(told.value))


def test_a_hub_that_is_not_there_is_one_sentence(bare, tmp_path):
    with ReceivingHub(tmp_path) as hub:
        pass
    with pytest.raises(UploadError, match=rf"^you/net: {hub.url} was not reached"):
        upload.send(bare, Repository("you/net"), HfApi(hub.url, "hf_token"), "message")


def test_a_dry_run_makes_no_request(bare, tmp_path, offline, capsys):
    arguments = ["publish", "--repo-id", "you/net", "--model", str(bare), "--dry-run", "--out", str(tmp_path / "dry")]
    assert cli.main(arguments) == 0
    told = capsys.readouterr().out
    assert f"Nothing was uploaded. {tmp_path / 'dry'} would go to the model you/net." in told
    listed = {line.split()[1] for line in told.splitlines() if line[:1] == " "}
    assert listed == {"README.md", "config.json", "model.safetensors", "bytes"}


def test_the_real_client_delivers_the_folder(bare, tmp_path, monkeypatch):
    """Every byte through `huggingface_hub`, to a Hub on this machine."""
    out = tmp_path / "out"
    with ReceivingHub(tmp_path / "hub") as hub:
        monkeypatch.setattr(upload, "client", lambda token=None: HfApi(hub.url, "hf_token"))
        assert cli.main(["publish", "--repo-id", "you/net", "--model", str(bare), "--out", str(out)]) == 0
    assert files(tmp_path / "hub" / "models" / "you" / "net") == files(out)
    assert hub.sent["create"] == {"name": "net", "organization": "you", "type": "model"}
    assert hub.sent["header"]["summary"] == f"Publish {bare.name}"
    assert hub.tokens["/api/models/you/net/commit/main"] == "Bearer hf_token"
