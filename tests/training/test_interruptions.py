"""Processes that are killed or stopped, or whose disk is full or read-only: finished files stay complete."""

import csv
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from dala import files, models
from dala.evaluation import plots
from dala.evaluation.predictions import Predictions
from dala.models import serialization
from dala.phantoms import dataset
from dala.ui.server import blocks
from tests.support.clients import ask
from tests.support.disks import Disk, read_only
from tests.support.fake_hub import COMMIT, Fault, Hub, closed_port, point
from tests.support.forked_cli import ROOT, Warm
from tests.support.tiny_run import training

FILLED = r"cannot be written \((No space left on device|File too large)\); make room on this disk"
CLOSED = r"cannot be written \((Read-only file system|Permission denied)\); name another place\.\n"
MARK = "explanation.json"


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    with Warm(tmp_path_factory.mktemp("streams")) as one:
        yield one


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 500 MB in memory, of which only the used part takes memory."""
    one = Disk(tmp_path / "disk", 500)
    yield one
    one.remove()


@pytest.fixture
def locked(tmp_path):
    with read_only(tmp_path / "locked") as possible:
        if not possible:
            pytest.skip("root can write everywhere here, and cannot mount")
        yield tmp_path / "locked"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("faults") / "phantoms"
    dataset.make_folder(root, dataset.Recipe(8, size=(128, 96)))
    return root


@pytest.fixture
def folder(patch_file, tmp_path):
    """Three pictures."""
    root = tmp_path / "pictures"
    root.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        shutil.copy(patch_file, root / name)
    return root


def killed_in(write, room):
    """Return the signal that ends a process when a file that it writes exceeds `room` bytes."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        write()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(pid, 0)[1])


def some_predictions():
    columns = dict.fromkeys(("partition", "fold", "label"), np.zeros(40, int))
    named = {name: np.array([f"p{k}" for k in range(40)]) for name in ("picture", "patient", "slide", "magnification")}
    return Predictions(("benign", "malignant"), **columns, **named, logits=np.zeros((40, 2), np.float32))


WRITERS = {
    "model.safetensors": lambda place, small: serialization.save(small.model, place),
    "predictions.csv": lambda place, small: some_predictions().write(place / "predictions.csv"),
    "report.json": lambda place, small: files.write(place / "report.json", "x" * 1000),
    "roc.png": lambda place, small: plots.save({"roc": plots.roc(some_predictions())}, place),
    "config.json": lambda place, small: files.write_all(
        place, {"model.safetensors": bytes(100), "config.json": bytes(1000)}
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_process_killed_while_it_writes_keeps_the_previous_file(name, tmp_path, small):
    for old in ("model.safetensors", name):
        (tmp_path / old).write_bytes(b"before")
    assert killed_in(lambda: WRITERS[name](tmp_path, small), 500) == signal.SIGXFSZ
    assert {(tmp_path / old).read_bytes() for old in ("model.safetensors", name)} == {b"before"}
    WRITERS[name](tmp_path, small)
    assert (tmp_path / name).stat().st_size > 500
    assert not list(tmp_path.glob(".*"))


def test_devices_pipes_and_links_are_not_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        for name in ("link", "pipe"):
            files.write(tmp_path / name, "text")
        assert reader.communicate()[0] == b"text"
    files.write(Path("/dev/null"), "text")
    assert not Path("/dev/null").is_file()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


def test_phantoms_killed_between_their_two_folders_are_drawn_again(tmp_path):
    out, recipe, replace = tmp_path / "set", dataset.Recipe(2, size=(64, 64)), Path.replace

    def once(path, target):
        if path.name.endswith(".part") and list(tmp_path.glob("set_masks")):
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(path, target)

    pid = os.fork()
    if pid == 0:
        Path.replace = once
        dataset.make_folder(out, recipe)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert not out.exists(), "the set without its masks"
    dataset.make_folder(out, recipe)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set", "set_masks"]
    assert len(list((tmp_path / "set_masks").iterdir())) == 2


@pytest.mark.slow
def test_training_killed_and_out_of_room_goes_on(warm, tree, small_disk):
    """Killed during and after a fold, stopped by a full disk and by a scheduler: no fold is trained twice."""
    out, command = small_disk.root / "run", training(tree, small_disk.root / "run")
    fold, final = out / "fold-0-0", out / "final"
    warm.start(*command)
    assert warm.kill_when((fold / "last.pt").exists).code == -signal.SIGKILL
    warm.start(*command, "--resume")
    assert warm.kill_when((fold / "predictions.csv").exists).code == -signal.SIGKILL
    finished = (fold / "predictions.csv").read_bytes(), serialization.sha256(fold / serialization.FILE)
    assert len(Predictions.read(fold / "predictions.csv").picture) == 2
    with small_disk.full() as limits:
        ended = warm.run(*command, "--resume", **limits)
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert re.search(FILLED + "|the previous one is kept: resume the run from it", ended.err)
    assert not list(out.rglob("*.part")) and not list(final.glob("*.part"))
    warm.start(*command, "--resume")
    assert warm.kill_when((final / "last.pt").exists, signal.SIGTERM).code in (130, -signal.SIGTERM, 0)
    ended = warm.run(*command, "--resume")
    assert ended.code == 0, ended.err
    assert finished == ((fold / "predictions.csv").read_bytes(), serialization.sha256(fold / serialization.FILE))
    assert json.loads((out / "report.json").read_text())["sha256"] == models.load(out).sha256
    # A finished run is not trained again.
    written = (out / serialization.FILE).stat().st_mtime_ns
    assert warm.run(*command, "--resume").code == 0
    assert (out / serialization.FILE).stat().st_mtime_ns == written
    assert not list(out.rglob("last.pt*"))


@pytest.mark.slow
def test_a_run_killed_before_its_settings_were_complete_can_be_resumed(warm, tree, tmp_path):
    command = training(tree, tmp_path, "--epochs", "0", "--network", "colour", "--views", "0")
    assert warm.run(*command, room=300, kills=True).code == -signal.SIGXFSZ
    assert not (tmp_path / "settings.json").exists()
    ended = warm.run(*command, "--resume")
    assert ended.code == 0, ended.err


def summary(out):
    with (out / "summary.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_a_folder_killed_and_out_of_room_goes_on(warm, small_folder, folder, small_disk):
    out = small_disk.root / "out"
    command = ["explain", folder, "--out", out, "--model", small_folder, "--workers", "0"]
    (folder / "c.png").rename(folder.parent / "c.png")
    warm.start(*command)
    warm.kill_when((out / "a.png" / MARK).exists)
    assert warm.run(*command).code == 0
    before = {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in sorted(out.glob("*.png/*"))}
    assert len(before) == 8, "an unfinished file was left"
    (folder.parent / "c.png").rename(folder / "c.png")
    with small_disk.full() as limits:
        for more in ([], ["--overwrite"]):
            ended = warm.run(*command, *more, **limits)
            assert re.fullmatch(rf".*{FILLED}.*\.\n", ended.err), ended.err
            assert ended.code == 2
            assert {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in before} == before
            assert not (out / "c.png" / MARK).exists()
            assert not list(out.rglob("*.part"))
    assert warm.run(*command).code == 0
    assert {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in before} == before
    assert [row["image"] for row in summary(out)] == ["a.png", "b.png", "c.png"]


@pytest.mark.slow
def test_a_damaged_result_counts_as_unfinished(warm, small_folder, folder, tmp_path):
    out = tmp_path / "out"
    command = ["explain", folder, "--out", out, "--model", small_folder, "--workers", "0"]
    assert warm.run(*command).code == 0
    for name, content in (("a.png", b""), ("b.png", b"[]")):
        (out / name / MARK).write_bytes(content)
    ended = warm.run(*command)
    assert (ended.code, ended.err) == (0, "")
    assert all(row["target"] for row in summary(out))


@pytest.mark.slow
def test_one_picture_on_a_full_disk_keeps_the_previous_result(warm, small_folder, folder, small_disk):
    command = ["explain", folder / "a.png", "--out", small_disk.root / "out", "--model", small_folder]
    assert warm.run(*command).code == 0
    before = {f: f.read_bytes() for f in (small_disk.root / "out").rglob("*.*")}
    with small_disk.full() as limits:
        ended = warm.run(*command, "--target", "benign", **limits)
    assert ended.code == 2
    assert re.fullmatch(rf".*{FILLED}.*\.\n", ended.err), ended.err
    assert {f: f.read_bytes() for f in (small_disk.root / "out").rglob("*.*")} == before


@pytest.mark.slow
def test_a_download_killed_and_out_of_room(small_folder, small_disk, tmp_path):
    code = "from dala.hub import cache; cache.download('you/net', ('model.safetensors', 'config.json'), str)"
    with Hub({"you/net": small_folder}, {"you/net": Fault(rate=2_000_000, on=".safetensors")}) as server:
        environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(small_disk.root)}
        one = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
        cache = small_disk.root / "hub"
        until = time.monotonic() + 100
        while not list(cache.rglob("*.incomplete")) and time.monotonic() < until:
            time.sleep(0.01)
        one.kill()
        assert one.wait() == -signal.SIGKILL
        assert not list(cache.glob("models--*/snapshots/*/model.safetensors"))
        server.faults.clear()
        with pytest.MonkeyPatch.context() as patched:
            point(patched, server.url, cache)
            before = models.load("you/net").folder
            server.commit = COMMIT[::-1]
            with (
                small_disk.full(os.getpid()),
                pytest.raises(serialization.WeightsError, match="make room, or name another"),
            ):
                models.load("you/net", force_download=True)
            assert models.load("you/net", local_files_only=True).folder == before
            assert models.load("you/net", force_download=True).folder.name == COMMIT[::-1]


@pytest.mark.slow
def test_a_read_only_folder_is_one_sentence(warm, small_folder, folder, tree, locked):
    picture = folder / "a.png"
    commands = [
        ["explain", picture, "--out", locked / "out", "--model", small_folder],
        ["explain", folder, "--out", locked / "out", "--model", small_folder, "--workers", "0"],
        ["trust", picture, "--json", locked / "trust.json", "--model", small_folder],
        ["phantom", "--n", "2", "--size", "64x64", "--out", locked / "set", "--workers", "0"],
        ["evaluate", "explanations", "--quick", "--out", locked / "study", "--phantom", small_folder],
        training(tree, locked / "run"),
    ]
    for command in commands:
        began = time.monotonic()
        ended = warm.run(*command)
        assert ended.code == 2, command
        assert re.fullmatch(".*" + CLOSED, ended.err), ended.err
        assert time.monotonic() - began < 30, "before the work, not after it"


@pytest.mark.slow
def test_a_closed_or_full_standard_output(warm, tree):
    command = [sys.executable, "-m", "dala", "data", "check", str(tree), "--format", "folder"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        one.stdout.close()
        assert (one.stderr.read(), one.wait()) == (b"", 141)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert re.fullmatch(rf"The output: {FILLED}.*\.\n", done.stderr)


@pytest.mark.slow
def test_ctrl_c_at_any_time_is_one_word(warm, small_folder, folder, tmp_path):
    """While torch is being imported, and during the work."""
    starting = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "dala", "explain", folder, "--out", tmp_path / "none"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = iter(starting.stderr.readline, "")
    while not re.search(r"\| +(torch\._|numpy$)", next(lines)):
        pass
    starting.send_signal(signal.SIGINT)
    messages = [line for line in lines if not line.startswith("import time:")]
    assert (messages, starting.wait()) == (["Interrupted.\n"], 130)
    out = tmp_path / "out"
    for number in range(40):
        shutil.copy(folder / "a.png", folder / f"{number}.png")
    warm.start("explain", folder, "--out", out, "--model", small_folder)
    ended = warm.kill_when(lambda: list(out.glob(f"*/{MARK}")), signal.SIGINT)
    assert (ended.code, ended.err.splitlines()[-1:]) == (130, ["Interrupted."])
    assert "Traceback" not in ended.err
    assert len(summary(out)) == 43
    assert 0 < sum(bool(row.get("target")) for row in summary(out)) < 43


@pytest.mark.slow
def test_no_home_no_locale_no_tmp(small_folder, patch_file, tmp_path, locked):
    """A home that cannot be created, non-ASCII names in an ASCII locale, another folder of temporary files."""
    names = ["größe µ.png", "μικρό.png", os.fsdecode(b"latin \xe9.png")]
    root = tmp_path / "Gewebe"
    root.mkdir()
    for name in names:
        shutil.copy(patch_file, root / name)
    (tmp_path / "elsewhere").mkdir()
    model = tmp_path / "modèle"
    shutil.copytree(small_folder, model)
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "MPL", "HF_", "XDG_"))}
    environment = {
        **plain, "HOME": str(locked / "home"), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "TMPDIR": str(tmp_path / "elsewhere"),
    }  # fmt: skip
    command = [sys.executable, "-m", "dala", "explain", root, "--out", tmp_path / "ausgeführt", "--model", model]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    rows = [row["image"] for row in summary(tmp_path / "ausgeführt")]
    assert sorted(rows) == sorted([*names[:2], r"latin \xe9.png"])
    single = [*command[:4], root / names[0], *command[5:]]
    done = subprocess.run(single, cwd=ROOT, env={**environment, "PYTHONUTF8": "1"}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert names[0].encode() in done.stdout


@pytest.fixture(scope="module")
def alone(small_folder, tmp_path_factory):
    """Run `python app.py` in another process: no home, few places in the queue, uploads on a small disk."""
    place = tmp_path_factory.mktemp("alone")
    kept, port = Disk(place / "uploads", 20), closed_port()
    environment = {
        **os.environ, "HOME": str(place / "nobody"), "LC_ALL": "C", "GRADIO_TEMP_DIR": str(kept.root),
        "GRADIO_SERVER_PORT": str(port), "DALA_MODEL": str(small_folder), "DALA_QUEUE": "2",
    }  # fmt: skip
    with (place / "log").open("w") as log:
        one = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    url, until = f"http://127.0.0.1:{port}/", time.monotonic() + 120
    while time.monotonic() < until and one.poll() is None:
        try:
            httpx.get(url)
            break
        except httpx.TransportError:
            time.sleep(0.2)
    yield one, url, kept, place / "log"
    one.kill()
    one.wait()
    kept.remove()


def upload(url, file):
    return httpx.post(f"{url}gradio_api/upload", files={"files": file.open("rb")}, timeout=60)


@pytest.mark.slow
def test_uploading_to_a_full_disk_is_one_sentence(alone, patch_file):
    one, url, kept, log = alone
    good = upload(url, patch_file).json()[0]
    image = {"path": good, "meta": {"_type": "gradio.FileData"}}
    assert ask(url, "explain", image)[0] == "complete"
    with kept.full(one.pid):
        refused = upload(url, patch_file)
        assert refused.status_code == 507
        assert refused.text == "This server's disk takes no more pictures: try again later, or tell its administrator."
        event, data = ask(url, "explain", image, "benign")
        assert (event, data["error"]) == ("error", refused.text)
        assert Path(good).read_bytes() == patch_file.read_bytes()
        size = sum(f.stat().st_size for f in kept.root.rglob("*") if f.is_file())
        for _ in range(3):
            upload(url, patch_file)
        assert sum(f.stat().st_size for f in kept.root.rglob("*") if f.is_file()) == size, "unfinished uploads are left"
    assert upload(url, patch_file).is_success
    assert ask(url, "explain", image, "benign")[0] == "complete"
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_a_full_queue_answers_at_once(alone, patch_file):
    _, url, _, _ = alone
    image = {"path": upload(url, patch_file).json()[0], "meta": {"_type": "gradio.FileData"}}
    calls = [httpx.Client(timeout=60) for _ in range(8)]
    began, answers = time.monotonic(), []
    for client in calls:
        answers.append(client.post(f"{url}gradio_api/call/compare", json={"data": [image]}))
    assert time.monotonic() - began < 2
    refused = [a for a in answers if a.status_code == 503]
    assert refused and len(refused) < len(answers)
    assert {a.json()["detail"] for a in refused} == {blocks.FULL}
    for answer in answers:
        if answer.is_success:
            text = httpx.get(f"{url}gradio_api/call/compare/{answer.json()['event_id']}", timeout=60).text
            assert text.startswith("event: complete"), text[:300]


def test_sigterm_ends_the_app_and_its_visitors_pictures(alone, patch_file):
    one, url, _, log = alone
    good = Path(upload(url, patch_file).json()[0])
    with httpx.stream("GET", f"{url}gradio_api/heartbeat/abc", timeout=30) as page:  # as an open page has it
        assert page.status_code == 200
        began = time.monotonic()
        one.send_signal(signal.SIGTERM)
        assert one.wait(20) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 8
    assert not good.exists()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(("variable", "value", "words"), [
    ("DALA_QUEUE", "none", "DALA_QUEUE is how many requests may wait, 1 or more, not 'none'."),
    ("GRADIO_TEMP_DIR", "LOCKED", "cannot be written .*; name another place."),
])  # fmt: skip
@pytest.mark.slow
def test_an_app_that_cannot_start_says_why(variable, value, words, small_folder, locked):
    environment = {**os.environ, "DALA_MODEL": str(small_folder), variable: value.replace("LOCKED", str(locked / "x"))}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert re.search(words, done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr
