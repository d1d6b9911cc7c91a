"""Each fault of a Hub is one sentence within seconds, over real HTTP."""

import io
import re
import signal
import sys
import threading
import time

import pytest
from huggingface_hub import constants

from dala.hub import cache, transfer
from dala.hub.cache import HubError
from tests.support.fake_hub import COMMIT, Fault, Hub, closed_port, point
from tests.support.hub_client import BODY, NAMES, fetch, start

RACE = "from dala.hub import cache; print(cache.download('you/net', {names!r}, lambda f: len(list(f.iterdir())))[1])"


FAULTS = {
    "no repository": (Fault(404, "RepoNotFound"), "no such repository on the Hub, or a private one"),
    "no revision": (Fault(404, "RevisionNotFound"), "has no such revision"),
    "no file": (Fault(404, "EntryNotFound", on="config.json"), "holds no config.json"),
    "gated": (Fault(401, "GatedRepo"), "gated; request access at http.*/you/net, then log in"),
    "gated, logged in": (Fault(403, "GatedRepo"), "gated; request access"),
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
    "silent": (Fault(silent=-1), "was not reached .no answer within 2.5 s"),
    "silent in the middle": (Fault(silent=100_000, method="GET"), "was not reached .no answer within 2.5 s"),
    "drips": (Fault(drips=True), "was not reached .no answer within 2.5 s"),
    "cut for ever": (Fault(cut=100_000, on=".safetensors"), "connection broke off at model.safetensors"),
    "closed at once": (Fault(cut=0, on=".safetensors"), "connection broke off at model.safetensors"),
    "other content": (Fault(content=BODY[::-1], on=".safetensors"), "another hash than the Hub states"),
    "longer content": (Fault(content=BODY * 2, on=".safetensors", method="GET"), "longer than the 400,000 bytes"),
    "shorter content": (Fault(content=BODY[:9], on=".safetensors", method="GET"), "broke off before its end"),
}


class Cancelled(Exception):
    pass


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_sentence_soon_and_the_next_try_works(name, two_files, serve, tmp_path, monkeypatch):
    fault, words = FAULTS[name]
    monkeypatch.setattr(transfer, "PATIENCE", 2.5)
    monkeypatch.setattr(transfer, "PAUSES", (0.1, 0.2, 0.3))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    server = serve(two_files, fault, resumes=False)
    start = time.monotonic()
    with pytest.raises(HubError, match=f"^you/net: .*{words}") as caught:
        fetch()
    assert time.monotonic() - start < transfer.PATIENCE + transfer.GRACE + 1
    assert str(caught.value).count("\n") == 0
    assert cache.cached("you/net", NAMES, None) is None
    server.faults.clear()
    assert fetch()[0] == [BODY, b"{}"]
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_the_limits_as_they_are_keep_to_ten_seconds():
    assert sum(transfer.PAUSES) < transfer.PATIENCE
    assert transfer.PATIENCE + transfer.POLL + transfer.GRACE < 10


def test_nobody_listens(tmp_path, monkeypatch):
    point(monkeypatch, f"http://127.0.0.1:{closed_port()}", tmp_path)
    start = time.monotonic()
    with pytest.raises(HubError, match="was not reached .*refused"):
        fetch()
    assert time.monotonic() - start < 1


def test_no_such_host(tmp_path, monkeypatch):
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
def test_a_hub_that_recovers(fault, two_files, serve):
    server = serve(two_files, fault)
    assert fetch()[0] == [BODY, b"{}"]
    assert fault.times == 0
    assert len(server.requests) > 4


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("cdn", [True, False])
def test_a_broken_connection_is_taken_up_again(resumes, cdn, two_files, serve, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # the client resumes at whole pieces, of 10 MB
    server = serve(two_files, Fault(cut=150_000, times=1, on=".safetensors", method="GET"), resumes=resumes, cdn=cdn)
    counts = []
    assert fetch(progress=lambda done, total: counts.append((done, total)))[0] == [BODY, b"{}"]
    assert [h["Range"] for h in server.headers if "Range" in h][-1] == "bytes=150000-"
    assert counts[-1] == (len(BODY) + 2, len(BODY) + 2)


def test_many_broken_connections_are_no_failure_while_each_brings_something(two_files, serve, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    serve(two_files, Fault(cut=110_000, on=".safetensors", method="GET"))
    assert fetch()[0] == [BODY, b"{}"]


def test_a_slow_hub_is_waited_for(two_files, serve, monkeypatch):
    monkeypatch.setattr(transfer, "PATIENCE", 1)
    serve(two_files, Fault(rate=200_000, on=".safetensors"))
    counts, start = [], time.monotonic()
    fetch(progress=lambda done, total: counts.append((done, total)))
    assert time.monotonic() - start > 1.5
    assert counts[0] == (0, len(BODY) + 2)
    assert counts[-1] == (len(BODY) + 2, len(BODY) + 2)
    assert len(counts) > 8
    assert counts == sorted(counts)


def test_an_exception_from_progress_cancels(two_files, serve, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)
    server = serve(two_files, Fault(rate=200_000, on=".safetensors"))

    def cancel(done, total):
        if done > 100_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch(progress=cancel)
    assert cache.cached("you/net", NAMES, None) is None
    assert not [thread for thread in threading.enumerate() if thread.name == transfer.NAME]
    server.faults.clear()
    assert fetch()[0] == [BODY, b"{}"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("rate", "stream", "shown"), [
    (200_000, Terminal, True), (200_000, io.StringIO, False), (None, Terminal, False)
])  # fmt: skip
def test_a_bar_on_a_terminal_for_what_takes_a_while(rate, stream, shown, two_files, serve, monkeypatch):
    serve(two_files, Fault(rate=rate))
    monkeypatch.setattr(sys, "stderr", stream())
    fetch()
    assert bool(re.search(r"you/net: +\d+%.*/400k", sys.stderr.getvalue())) == shown


def test_a_full_disk_is_one_sentence_and_leaves_nothing(two_files, tmp_path):
    pytest.importorskip("resource")
    code = f"""
import resource
from dala.hub import cache
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        print(cache.download("you/net", {NAMES!r}, str))
    except cache.HubError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    with Hub({"you/net": two_files}) as server:
        out, text = start(code, server.url, tmp_path).communicate(timeout=60)
    first, second = out.splitlines() or [text]
    assert re.match("you/net: cannot be kept on this disk .*; make room, or name another place in HF_HOME.", first)
    assert COMMIT in second
    assert not list(tmp_path.rglob("*.incomplete"))


def test_two_processes_at_once(two_files, tmp_path):
    with Hub({"you/net": two_files}, {"you/net": Fault(rate=200_000, on=".safetensors")}) as server:
        both = [start(RACE.format(names=NAMES), server.url, tmp_path) for _ in range(2)]
        results = [one.communicate(timeout=100) for one in both]
        assert sum(path.endswith(".safetensors") for path in server.gets()) == 1, "the second waits for the first"
    for out, text in results:
        assert out.strip().endswith(COMMIT), text
    (folder,) = (tmp_path / "hub").glob("models--*/snapshots/*")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {NAMES[0]: BODY, NAMES[1]: b"{}"}


def test_a_cache_that_cannot_be_written_is_one_sentence(two_files, serve, tmp_path):
    serve(two_files)
    (tmp_path / "file").touch()
    with pytest.raises(HubError, match=r"^you/net: cannot be kept on this disk .*; make room, or name another place"):
        fetch(cache_dir=tmp_path / "file" / "cache")


def test_offline_is_one_sentence_at_once(two_files, serve, monkeypatch):
    server = serve(two_files)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="^you/net: not in the cache, and HF_HUB_OFFLINE forbids requests to the Hub.$"):
        fetch()
    assert not server.requests


def test_a_killed_download_leaves_nothing_that_is_used(two_files, tmp_path):
    with Hub({"you/net": two_files}, {"you/net": Fault(silent=100_000, on=".safetensors")}) as server:
        one = start(RACE.format(names=NAMES), server.url, tmp_path)
        while not list(tmp_path.rglob("*.incomplete")):
            assert one.poll() is None
            time.sleep(0.01)
        one.kill()
        assert one.wait() == -signal.SIGKILL
        server.faults.clear()
        again = start(RACE.format(names=NAMES), server.url, tmp_path)
        assert again.communicate(timeout=100)[0].strip().endswith(COMMIT)
    (folder,) = (tmp_path / "hub").glob("models--*/snapshots/*")
    assert (folder / "model.safetensors").read_bytes() == BODY
