"""From the Hub's faults to one sentence each, over real HTTP; what is downloaded is checked before it is kept."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir

from dala import DALAResNet50, Explainer
from dala.hub import cache as hub_cache
from dala.hub import remote_file
from dala.hub.cache import HubError, NotThereError
from dala.models import pretrained
from dala.models.serialization import WeightsError
from tests.support.fake_hub import COMMIT, Fault, Hub, closed_port, point

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("model.safetensors", "config.json")
BODY = hashlib.shake_256(b"weights").digest(400_000)
RACE = "from dala import hub; print(hub.download('you/net', {names!r}, lambda f: len(list(f.iterdir())))[1])"


class Cancelled(Exception):
    pass


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Two files whose content does not matter here."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "model.safetensors").write_bytes(BODY)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A network of three classes."""
    folder = tmp_path_factory.mktemp("three")
    names, size = ["benign", "in situ", "invasive"], {"height": 96, "width": 128, "magnification": "20X"}
    DALAResNet50(names, size, {"data": "BACH"}).save_pretrained(folder)
    return folder


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Start a Hub that serves a folder as you/net, with a fault, and let this process use it."""
    hubs = []

    def serve(folder, fault=None, **options):
        hubs.append(Hub({"you/net": folder}, {"you/net": fault} if fault else {}, **options).__enter__())
        point(monkeypatch, hubs[-1].url, tmp_path / "cache")
        return hubs[-1]

    yield serve
    for one in hubs:
        one.__exit__()


def fetch(revision=None, **options):
    """Download from you/net; what the two files hold."""
    return hub_cache.download(
        "you/net", NAMES, lambda folder: [(folder / n).read_bytes() for n in NAMES], revision, **options
    )


def left(cache):
    return [f for f in cache.rglob("*") if f.is_file()]


def test_what_was_downloaded_is_found_without_a_request(plain, served, tmp_path):
    server = served(plain)
    assert hub_cache.cached("you/net", NAMES, None) is None
    content, folder = fetch("of/you")
    assert content == [BODY, b"{}"]
    assert [(folder / name).read_bytes() for name in NAMES] == content
    asked = len(server.asked)
    for revision in ("of/you", COMMIT):
        assert hub_cache.cached("you/net", NAMES, revision) == folder
    assert hub_cache.cached("you/net", NAMES, "main") is None, "of/you alone was asked for"
    assert len(server.asked) == asked
    assert folder.name == COMMIT
    assert not list((tmp_path / "cache").glob(".dala-*"))


def test_the_clients_own_tools_see_it(plain, served, tmp_path):
    served(plain)
    fetch()
    (repository,) = scan_cache_dir(tmp_path / "cache").repos
    (revision,) = repository.revisions
    assert (repository.repo_id, revision.commit_hash, revision.refs) == ("you/net", COMMIT, {"main"})
    assert {f.file_name for f in revision.files} == set(NAMES)
    assert revision.size_on_disk == len(BODY) + 2


def test_what_the_client_downloaded_is_found_here(plain, served, tmp_path):
    server = served(shutil.copytree(plain, tmp_path / "repository"))
    ours = fetch()[1]
    assert hf_hub_download("you/net", "config.json", local_files_only=True) == str(ours / "config.json")
    server.commit = COMMIT[::-1]
    (tmp_path / "repository" / "config.json").write_text("[]")
    assert hub_cache.cached("you/net", NAMES, None) == ours
    theirs = {Path(hf_hub_download("you/net", name)).parent for name in NAMES}
    assert {hub_cache.cached("you/net", NAMES, None)} == theirs != {ours}


def test_large_files_come_from_another_host_that_never_sees_the_token(plain, served):
    server = served(plain, cdn=True)
    assert fetch(token="hf_secret")[0] == [BODY, b"{}"]
    seen = {path.startswith("cdn"): set() for _, path in server.asked}
    for (_, path), headers in zip(server.asked, server.headers, strict=True):
        seen[path.startswith("cdn")].add(headers.get("authorization"))
    assert seen == {False: {"Bearer hf_secret"}, True: {None}}


FAULTS = {
    "no repository": (Fault(404, "RepoNotFound"), "no such repository on the Hub, or a private one"),
    "no revision": (Fault(404, "RevisionNotFound"), "has no revision None"),
    "no file": (Fault(404, "EntryNotFound", on="config.json"), "holds no config.json"),
    "gated": (Fault(401, "GatedRepo"), "gated; ask for access at http.*/you/net, then log in"),
    "gated, logged in": (Fault(403, "GatedRepo"), "gated; ask for access"),
    "wrong token": (Fault(401), "answers 401, access refused; log in"),
    "forbidden": (Fault(403), "answers 403, access refused"),
    "forbidden body": (Fault(403, method="GET"), "answers 403, access refused"),
    "another server": (Fault(404), "answers 404"),
    "too many requests": (Fault(429, headers={"Retry-After": "60"}), "answers 429, too many requests; try again in 60"),
    "too many bodies": (Fault(429, method="GET", headers={"Retry-After": "300"}), "try again in 300 s"),
    "too many, no hint": (Fault(429), "answers 429, too many requests; try again later"),
    "out of order": (Fault(500), "answers 500, out of order; try again later"),
    "out of order, bodies": (Fault(503, method="GET"), "answers 503, out of order"),
    "a login page": (Fault(foreign=True), "does not answer as a Hub does; look for a network that wants a login"),
    "silent": (Fault(silent=-1), "was not reached .no answer within 1 s"),
    "silent in the middle": (Fault(silent=100_000, method="GET"), "was not reached .no answer within 1 s"),
    "drips": (Fault(drips=True), "was not reached .no answer within 1 s"),
    "cut for ever": (Fault(cut=100_000, on=".safetensors"), "connection broke off at model.safetensors"),
    "closed at once": (Fault(cut=0, on=".safetensors"), "connection broke off at model.safetensors"),
    "other content": (Fault(content=BODY[::-1], on=".safetensors"), "another SHA-256 than the Hub states"),
    "longer content": (Fault(content=BODY * 2, on=".safetensors", method="GET"), "longer than the 400,000 bytes"),
    "shorter content": (Fault(content=BODY[:9], on=".safetensors", method="GET"), "broke off after 9 of 400,000 bytes"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_sentence_soon_and_the_next_try_works(name, plain, served, tmp_path, monkeypatch):
    fault, words = FAULTS[name]
    monkeypatch.setattr(remote_file, "PATIENCE", 1)
    monkeypatch.setattr(remote_file, "WAITS", (0.1, 0.2, 0.3))
    server = served(plain, fault, resumes=False)
    start = time.monotonic()
    with pytest.raises(HubError, match=f"^you/net: .*{words}") as told:
        fetch()
    assert time.monotonic() - start < remote_file.PATIENCE + sum(remote_file.WAITS) + 0.5
    assert str(told.value).count("\n") == 0
    assert not left(tmp_path / "cache")
    server.faults.clear()
    assert fetch()[0] == [BODY, b"{}"]


def test_the_bounds_as_they_are_keep_to_ten_seconds():
    assert remote_file.PATIENCE + max(remote_file.WAITS) < 10


def test_nobody_listens(plain, tmp_path, monkeypatch):
    point(monkeypatch, f"http://127.0.0.1:{closed_port()}", tmp_path)
    start = time.monotonic()
    with pytest.raises(HubError, match="was not reached .*refused"):
        fetch()
    assert time.monotonic() - start < 1


def test_no_such_host(plain, tmp_path, monkeypatch):
    point(monkeypatch, "http://hub.invalid", tmp_path)
    with pytest.raises(HubError, match="http://hub.invalid was not reached"):
        fetch()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(503, times=3),
        Fault(500, times=2, method="GET"),
        Fault(429, times=1, headers={"Retry-After": "1"}),
        Fault(cut=0, times=2, on=".safetensors", method="GET"),
    ],
)
def test_a_hub_that_recovers(fault, plain, served):
    server = served(plain, fault)
    assert fetch()[0] == [BODY, b"{}"]
    assert fault.times == 0
    assert len(server.asked) > 4


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("cdn", [True, False])
def test_a_broken_connection_is_taken_up_again(resumes, cdn, plain, served):
    server = served(plain, Fault(cut=150_000, times=1, on=".safetensors", method="GET"), resumes=resumes, cdn=cdn)
    counts = []
    assert fetch(progress=lambda done, total: counts.append((done, total)))[0] == [BODY, b"{}"]
    assert [h["Range"] for h in server.headers if "Range" in h][-1] == "bytes=150000-"
    assert counts[-1] == (len(BODY) + 2, len(BODY) + 2)


def test_many_broken_connections_are_no_failure_while_each_brings_something(plain, served):
    served(plain, Fault(cut=60_000, on=".safetensors", method="GET"))
    assert fetch()[0] == [BODY, b"{}"]


def test_a_slow_hub_is_waited_for(plain, served, monkeypatch):
    monkeypatch.setattr(remote_file, "PATIENCE", 1)
    served(plain, Fault(rate=200_000, on=".safetensors"))
    counts, start = [], time.monotonic()
    fetch(progress=lambda done, total: counts.append((done, total)))
    assert time.monotonic() - start > 1.5
    assert counts[0] == (0, len(BODY) + 2)
    assert counts[-1] == (len(BODY) + 2, len(BODY) + 2)
    assert len(counts) > 8
    assert counts == sorted(counts)


def test_who_raises_in_progress_cancels(plain, served, tmp_path):
    served(plain, Fault(rate=400_000, on=".safetensors"))

    def cancel(done, total):
        if done > 100_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch(progress=cancel)
    assert not left(tmp_path / "cache")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("rate", "stream", "shown"), [
    (200_000, Terminal, True), (200_000, io.StringIO, False), (None, Terminal, False)
])  # fmt: skip
def test_a_bar_on_a_terminal_for_what_takes_a_while(rate, stream, shown, plain, served, monkeypatch):
    served(plain, Fault(rate=rate))
    monkeypatch.setattr(sys, "stderr", stream())
    fetch()
    assert bool(re.search(r"you/net: +\d+%.*/400k", sys.stderr.getvalue())) == shown


def test_what_does_not_pass_replaces_nothing(plain, served, tmp_path):
    server = served(shutil.copytree(plain, tmp_path / "repository"))
    before = fetch()[1]
    server.commit = COMMIT[::-1]
    (tmp_path / "repository" / "config.json").write_text("[]")

    def refuse(folder):
        assert (folder / "config.json").read_text() == "[]"
        raise ValueError("of no use")

    with pytest.raises(ValueError, match="of no use"):
        hub_cache.download("you/net", NAMES, refuse)
    assert hub_cache.cached("you/net", NAMES, None) == before
    after = fetch()[1]
    assert hub_cache.cached("you/net", NAMES, None) == after == before.with_name(COMMIT[::-1])
    assert hub_cache.cached("you/net", NAMES, COMMIT) == before


def test_a_size_that_is_too_much(plain, served):
    server = served(plain)
    with pytest.raises(HubError, match="model.safetensors has 400,000 bytes, and 1,000 is the most"):
        fetch(most=1000)
    assert not server.gets()


def test_a_file_beside_is_asked_for_once_and_so_is_its_absence(plain, served, tmp_path):
    server = served(shutil.copytree(plain, tmp_path / "repository"))
    (tmp_path / "repository" / "README.md").write_text("# A card")
    folder = fetch()[1]
    for _ in range(2):
        assert hub_cache.beside(folder, "you/net", "README.md") == folder / "README.md"
        assert hub_cache.beside(folder, "you/net", "samples/samples.json") is None
    assert (folder / "README.md").read_text() == "# A card"
    assert [path.rsplit("/", 1)[1] for _, path in server.asked[4:]] == ["README.md", "README.md", "samples.json"]
    server.faults["you/net"] = Fault(503)
    with pytest.raises(HubError, match="answers 503"):
        hub_cache.beside(folder, "you/net", "report.json")


@pytest.mark.parametrize("repo", ["you/.git", "you/a--b", f"you/{'x' * 100}"])
def test_an_id_that_cannot_be(repo, plain, served):
    server = served(plain)
    for ask in (lambda: hub_cache.cached(repo, NAMES, None), lambda: hub_cache.download(repo, NAMES, str)):
        with pytest.raises(HubError, match="not a Hub id"):
            ask()
    assert not server.asked


def test_a_missing_file_has_an_error_of_its_own(plain, served):
    served(plain)
    with pytest.raises(NotThereError) as told:
        hub_cache.download("you/net", ["other.bin"], str)
    assert told.value.name == "other.bin"
    assert hub_cache.holds("you/net", "config.json", None)
    assert not hub_cache.holds("you/net", "other.bin", None)


def start(code, url, cache, **environment):
    return subprocess.Popen(
        [sys.executable, *(code if isinstance(code, list) else ["-c", code])],
        env={**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(cache), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_a_full_disk_is_one_sentence_and_leaves_nothing(plain, tmp_path):
    pytest.importorskip("resource")
    code = f"""
import resource
from dala import hub
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        print(hub.download("you/net", {NAMES!r}, str))
    except hub.HubError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    with Hub({"you/net": plain}) as server:
        out, told = start(code, server.url, tmp_path).communicate(timeout=60)
    first, second = out.splitlines() or [told]
    assert re.match("you/net: cannot be kept on this disk .*; make room, or name another place in HF_HOME.", first)
    assert COMMIT in second
    assert {f.name for f in left(tmp_path)} == {*NAMES, "main"}


def test_two_processes_at_once(plain, tmp_path):
    with Hub({"you/net": plain}, {"you/net": Fault(rate=200_000, on=".safetensors")}) as server:
        both = [start(RACE.format(names=NAMES), server.url, tmp_path) for _ in range(2)]
        results = [one.communicate(timeout=100) for one in both]
        assert len(server.gets()) == 4, "neither found the other's in the cache"
    for out, told in results:
        assert out.strip().endswith(COMMIT), told
    kept = {f.name: f.read_bytes() for f in left(tmp_path)}
    assert kept == {"model.safetensors": BODY, "config.json": b"{}", "main": COMMIT.encode()}


@pytest.mark.slow
def test_on_the_command_line_each_fault_is_one_line_and_code_2(three, patch_file, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "model.safetensors").symlink_to(three / "model.safetensors")
    config = json.loads((three / "config.json").read_text())
    (wrong / "config.json").write_text(json.dumps({**config, "sha256": "0" * 64}))
    with Hub({"you/net": three, "you/wrong": wrong}, {"you/gated": Fault(401, "GatedRepo")}) as server:
        cases = {
            ("you/net", f"http://127.0.0.1:{closed_port()}"): "you/net: http.* was not reached .*refused",
            ("you/none", server.url): "you/none: no such repository on the Hub",
            ("you/gated", server.url): "you/gated: gated; ask for access",
            ("you/wrong", server.url): "you/wrong/model.safetensors: its SHA-256 is not the one in config.json",
        }
        out = ["--out", str(tmp_path / "out")]
        started = [
            start(["-m", "dala", "explain", str(patch_file), *out, "--model", model], url, tmp_path / "cache")
            for model, url in cases
        ]
        for one, words in zip(started, cases.values(), strict=True):
            told = one.communicate(timeout=100)[1]
            assert one.returncode == 2
            assert re.fullmatch(rf"{words}.*\.\n", told), told
    assert not (tmp_path / "out").exists()
    assert not left(tmp_path / "cache")


def test_weights_whose_config_states_another_hash_are_not_kept(three, served, tmp_path):
    folder = shutil.copytree(three, tmp_path / "repository")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sha256": "0" * 64}))
    served(folder)
    with pytest.raises(WeightsError, match=r"^you/net/model.safetensors: its SHA-256 is not the one in config.json"):
        pretrained.load("you/net")
    assert not left(tmp_path / "cache")
    (folder / "config.json").write_text(json.dumps(config))
    loaded = pretrained.load("you/net")
    assert (loaded.source, loaded.revision, loaded.sha256) == ("you/net", COMMIT, config["sha256"])
    assert loaded.folder == tmp_path / "cache" / "models--you--net" / "snapshots" / COMMIT
    assert loaded.beside("config.json") == loaded.folder / "config.json"
    assert loaded.beside("nothing.json") is None


def test_what_was_damaged_in_the_cache_is_fetched_again(three, served):
    server = served(three)
    file = pretrained.load("you/net").folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])
    server.faults["you/net"] = Fault(503)
    with pytest.raises(WeightsError, match=r"its SHA-256 is not .* A fresh copy was not to be had: .* answers 503"):
        pretrained.load("you/net")
    with pytest.raises(WeightsError, match=r"its SHA-256 is not .* local_files_only forbids"):
        pretrained.load("you/net", local_files_only=True)
    server.faults.clear()
    pretrained.load("you/net")
    assert file.read_bytes() == whole


def test_from_pretrained_is_strict_and_as_quick(three, served, tmp_path):
    server = served(three)
    model = DALAResNet50.from_pretrained("you/net", revision=COMMIT, strict=True)
    assert model.class_names == ("benign", "in situ", "invasive")
    assert not model.training
    assert len(server.asked) == 4
    assert DALAResNet50.from_pretrained("you/net", revision=COMMIT, local_files_only=True).config() == model.config()
    for options in ({"strict": False}, {"class_names": ["a", "b"]}):
        with pytest.raises(WeightsError, match=f"takes no {next(iter(options))}"):
            DALAResNet50.from_pretrained("you/net", **options)
    server.faults["you/net"] = Fault(429, headers={"Retry-After": "60"})
    with pytest.raises(WeightsError, match="try again in 60 s"):
        DALAResNet50.from_pretrained("you/net", cache_dir=tmp_path / "other")


def test_a_repository_with_only_a_pickle_says_so(three, served, tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "pytorch_model.bin").write_bytes(b"\x80")
    server = served(tmp_path / "repository")
    for load in (pretrained.load, DALAResNet50.from_pretrained):
        with pytest.raises(WeightsError, match=r"^you/net: holds no model.safetensors but a pickle .pytorch_model.bin"):
            load("you/net")
    (tmp_path / "repository" / "pytorch_model.bin").unlink()
    with pytest.raises(WeightsError, match=r"^you/net: holds no model.safetensors. .* other formats are not read"):
        pretrained.load("you/net")
    assert not server.gets()


def test_what_a_config_of_the_hub_says_is_what_the_explainer_does(three, served, patch):
    served(three)
    counts = []
    explainer = Explainer.load("you/net", "cpu", lambda done, total: counts.append(done))
    assert counts[-1] == sum((three / name).stat().st_size for name in NAMES)
    assert (explainer.preprocessing.height, explainer.preprocessing.magnification) == (96, "20X")
    explanation = explainer.explain(patch, "in situ")
    assert list(explanation.probabilities) == ["benign", "in situ", "invasive"]
    assert explanation.target == "in situ"
    assert explanation.picture.size == (128, 96)


def test_eight_classes(tmp_path, patch):
    names = [f"class {i}" for i in range(7)] + ["μικρό"]
    DALAResNet50(names, {"height": 64, "width": 64, "mean": [0.5] * 3}).save_pretrained(tmp_path)
    explainer = Explainer.load(tmp_path, "cpu")
    explanation = explainer.explain(patch, "μικρό", methods=("grad_cam", "layer_cam"))
    assert list(explanation.probabilities) == names
    assert sum(explanation.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert explainer.retarget(explanation, ("class 3", "class 6")).target != "μικρό"
    assert explainer.preprocessing.mean == (0.5, 0.5, 0.5)
