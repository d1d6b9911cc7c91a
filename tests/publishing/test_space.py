"""The Space: the exact folder, metadata and requirements that the platform accepts, and the app as it runs there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import torch
from gradio_client import Client, handle_file
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import filter_repo_objects
from packaging.requirements import Requirement

import app
from dala import Explainer, cli, models
from dala.explain import engine
from dala.hub import upload
from dala.hub.layout import SHIFT
from dala.hub.upload import UploadError
from dala.models import device as models_device
from dala.models import pretrained, serialization
from dala.publishing import pinned, space
from dala.publishing.space import SpaceError
from dala.ui.server import zero_gpu
from tests.support.fake_hub_upload import COMMIT, ReceivingHub, Recorder
from tests.support.runs import files

ROOT = Path(__file__).resolve().parents[2]
PINNED = f"you/net@{COMMIT}"

# Stands in for the platform's package where there is no ZeroGPU: keeps what is marked, and passes everything between
# the app and the marked function by pickle, as between two processes.
SPACES = """
import json, os, pickle, sys
assert "torch" not in sys.modules, "spaces has to come before torch"
marked = []

def GPU(task=None, *, duration=60):
    if task is None:
        return lambda task: GPU(task, duration=duration)
    marked.append([task.__name__, duration])
    calls = []
    def run(*args):
        done = pickle.loads(pickle.dumps(task(*pickle.loads(pickle.dumps(args)))))
        tensors = [done.logits, *done.activations.values(), *done.gradients.values()]
        calls.append(sorted({t.device.type for t in tensors}))
        with open(os.environ["SPACES_RECORD"], "w") as stream:
            json.dump({"marked": marked, "devices": calls}, stream)
        return done
    return run

def gradio_auto_wrap(function):
    return function
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The Space that a pinned network gets."""
    out = tmp_path_factory.mktemp("space") / "folder"
    space.write(out, PINNED)
    return out


def test_the_folder_is_what_runs_and_nothing_else(folder):
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "dala", "examples"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    expected = set(tracked.stdout.split()) | {"app.py", "LICENSE", "README.md", "requirements.txt", "space.json"}
    if tracked.returncode:
        pytest.skip("not a git checkout")
    sent = files(folder)
    assert {name for name in sent if not name.startswith("weights/")} == expected
    assert {"weights/model.safetensors", "weights/config.json", "weights/README.md"} <= sent.keys()
    for name in expected - {"README.md", "requirements.txt", "space.json"}:
        assert sent[name] == (ROOT / name).read_bytes(), name
    assert json.loads(sent["space.json"]) == {"model": PINNED}


def test_without_a_network_of_its_own_it_is_pinned_to_none(tmp_path):
    space.write(tmp_path / "out")
    assert not (tmp_path / "out" / "space.json").exists()
    assert not {"models", "preload_from_hub"} & space.check(tmp_path / "out").keys()


def test_the_front_matter(folder):
    told = space.check(folder)
    assert told["models"] == ["you/net"]
    assert told["preload_from_hub"] == [f"you/net model.safetensors,config.json {COMMIT}"]
    import gradio

    assert told["sdk_version"] == gradio.__version__
    assert len(told["short_description"]) <= 60


def test_the_projects_own_front_matter_is_accepted_too():
    assert space.check(ROOT)["app_file"] == "app.py"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r'sdk_version: .*', "sdk_version: 5.0.0", "sdk_version must be text, in quotes, and fit gradio"),
        (r'sdk_version: .*', "sdk_version: 6.31", "sdk_version must be text, in quotes"),
        (r'sdk_version: .*', "sdk_version: newest", "sdk_version must be text, in quotes"),
        (r'sdk_version: .*', "", "sdk_version must be text, in quotes"),
        ("app_file: app.py", "app_file: main.py", "app_file main.py does not exist"),
        ("app_file: app.py\n", "app_file: main.py\nsuggested_hardware: t4-small\n", "not exist; suggested_"),
        ("title: DALA", "title: [", "cannot be read"),
    ],
)  # fmt: skip
def test_front_matter_that_does_not_fit_the_folder(folder, tmp_path, old, new, words):
    for name in ("app.py", "requirements.txt"):
        shutil.copy(folder / name, tmp_path / name)
    changed_front_matter(folder, tmp_path, old, new)
    with pytest.raises(SpaceError, match=words):
        space.check(tmp_path)


def changed_front_matter(folder, out, old, new):
    text = (folder / "README.md").read_text()
    changed = re.sub(r"suggested_hardware: .*\n", "", text) if "suggested" in new else text
    changed = re.sub(old, new, changed, count=1)
    assert changed != text
    (out / "README.md").write_text(changed)


def test_the_hub_validates_the_front_matter(folder, tmp_path, monkeypatch):
    with ReceivingHub(tmp_path / "hub") as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        api = HfApi(hub.url, "hf_token")
        space.validate(folder, "you/demo", api)
        assert hub.requests == [("POST", "/api/validate-yaml")]
        changed_front_matter(folder, tmp_path, "colorFrom: purple", "colorFrom: violet")
        with pytest.raises(UploadError, match=r'^you/demo: - Error: "colorFrom" must be one of \[red, [^\n]*\.$'):
            space.validate(tmp_path, "you/demo", api)
    with pytest.raises(UploadError, match=rf"^you/demo: {hub.url} was not reached"):
        space.validate(folder, "you/demo", api)
    with ReceivingHub(tmp_path / "hub", refuse=500) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        with pytest.raises(UploadError, match=r"^you/demo: the Hub answered 500: "):
            space.validate(folder, "you/demo", HfApi(hub.url, "hf_token"))


def test_nothing_is_created_where_the_hub_refuses_the_front_matter(tmp_path, monkeypatch, capsys):
    root = tmp_path / "root"
    root.mkdir()
    for name in ("app.py", "LICENSE", "requirements.txt", "dala", "examples"):
        (root / name).symlink_to(ROOT / name)
    changed_front_matter(ROOT, root, "colorFrom: purple", "colorFrom: violet")
    write = space.write
    monkeypatch.setattr(space, "write", lambda *args: write(*args, root=root))
    with ReceivingHub(tmp_path / "hub") as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(upload, "client", lambda token=None: HfApi(hub.url, "hf_token"))
        assert cli.main(["publish-space", "--repo-id", "you/demo", "--out", str(tmp_path / "out")]) == 2
    assert hub.requests == [("POST", "/api/validate-yaml")]
    assert '"colorFrom" must be one of' in capsys.readouterr().err


def needs(text):
    return {r.name: r for r in map(Requirement, filter(lambda line: line[:1].isalpha(), text.splitlines()))}


def test_the_requirements_suit_the_platform_and_a_laptop(folder):
    text = (ROOT / "requirements.txt").read_text()
    own = needs(text)
    for torch_version, vision in space.ZERO_GPU.items():
        assert own["torch"].specifier.contains(torch_version)
        assert own["torchvision"].specifier.contains(vision)
    # The platform installs gradio at the front matter's version, and its own client of the Hub: ranges let it.
    assert own["gradio"].specifier.contains(space.check(folder)["sdk_version"])
    assert all(s.operator != "==" for s in (*own["gradio"].specifier, *own["huggingface-hub"].specifier))
    cpu = (folder / "requirements.txt").read_text()
    assert cpu.endswith(text)
    assert "--extra-index-url https://download.pytorch.org/whl/cpu\n" in cpu
    lent = space.requirements(text, "zero-a10g")
    assert "extra-index" not in lent
    assert needs(lent) == own | {
        "torch": Requirement("torch==2.11.0"),
        "torchvision": Requirement("torchvision==0.26.0"),
    }


def test_a_revision_becomes_a_commit_or_is_refused():
    asked = []

    class Hub:
        siblings = (SimpleNamespace(rfilename="model.safetensors"), SimpleNamespace(rfilename="config.json"))

        def model_info(self, repo, revision):
            asked.append((repo, revision))
            return SimpleNamespace(sha=COMMIT, siblings=self.siblings)

    assert space.pin(PINNED, None) == PINNED
    assert [space.pin(m, Hub()) for m in ("you/net", "you/net@v1", PINNED)] == [PINNED] * 3
    assert asked == [("you/net", None), ("you/net", "v1"), ("you/net", COMMIT)]
    for model in ("you/net", "you/net@main", f"you/net@{COMMIT[:39]}", f"you/net@{COMMIT.upper()}"):
        with pytest.raises(SpaceError, match="name a commit, 40 hexadecimal digits"):
            space.pin(model, None)
    for model in ("weights", "runs/../x/y", "net", "you/net/x"):
        with pytest.raises(SpaceError, match="publish it, then name it"):
            space.pin(model, None)
    Hub.siblings = Hub.siblings[1:]
    with pytest.raises(SpaceError, match="has no model.safetensors; name a repository"):
        space.pin(PINNED, Hub())


def test_an_update_deletes_files_that_moved_to_sub_folders():
    """`fnmatch`'s `*` matches a slash, too."""
    paths = [
        "dala/publishing/model_card.py",
        "dala/ui/tabs/explain.py",
        "weights/splits/image.json",
        "app.py",
        "README.md",
        "data/x.png",
    ]
    assert list(filter_repo_objects(paths, allow_patterns=list(space.OWNED))) == paths[:3]


def test_a_place_where_no_space_can_be_made(tmp_path):
    (tmp_path / "old").write_text("")
    with pytest.raises(SpaceError, match="not empty"):
        space.write(tmp_path)
    with pytest.raises(SpaceError, match="run this command in the project's own folder"):
        space.write(tmp_path / "out", root=tmp_path)


def test_the_exact_calls(tmp_path, monkeypatch, capsys):
    hub = Recorder(tmp_path / "kept")
    monkeypatch.setattr(upload, "client", lambda token=None: hub)
    out = tmp_path / "out"
    arguments = ["publish-space", "--repo-id", "you/demo", "--hardware", "zero-a10g", "--out", str(out)]
    with ReceivingHub(tmp_path / "hub") as validator:
        monkeypatch.setattr(constants, "ENDPOINT", validator.url)
        assert cli.main(arguments) == 0
    assert validator.requests == [("POST", "/api/validate-yaml")]
    sent = {
        "repo_id": "you/demo",
        "repo_type": "space",
        "commit_message": "Host the shipped weights",
        "delete_patterns": ["dala/*", "examples/*", "weights/*", "space.json"],
    }
    made = {"repo_type": "space", "private": None, "exist_ok": True}
    assert hub.calls == [
        ("create_repo", ("you/demo",), {**made, "space_sdk": "gradio", "space_hardware": "zero-a10g"}),
        ("add_space_variable", ("you/demo", "GRADIO_SSR_MODE", "false"), {}),
        ("upload_folder", (), sent),
    ]
    assert files(hub.kept) == files(out)
    assert "https://huggingface.co/" in capsys.readouterr().out


def test_a_dry_run_makes_no_request(tmp_path, offline, capsys):
    arguments = [
        "publish-space",
        "--repo-id",
        "you/demo",
        "--model",
        PINNED,
        "--dry-run",
        "--out",
        str(tmp_path / "dry"),
    ]
    assert cli.main(arguments) == 0
    told = capsys.readouterr().out
    assert "would go to the space you/demo, with GRADIO_SSR_MODE=false." in told
    assert cli.main([*arguments[:4], "you/net", *arguments[5:]]) == 2


def test_the_real_client_delivers_the_folder(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with ReceivingHub(tmp_path / "hub") as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(upload, "client", lambda token=None: HfApi(hub.url, "hf_token"))
        assert cli.main(["publish-space", "--repo-id", "you/demo", "--out", str(out)]) == 0
    assert files(tmp_path / "hub" / "spaces" / "you" / "demo") == files(out)
    assert hub.sent["create"] == {"name": "demo", "organization": "you", "type": "space", "sdk": "gradio"}
    assert hub.sent["variables"] == [{"key": "GRADIO_SSR_MODE", "value": "false"}]


def test_a_pinned_network_that_cannot_be_had_is_told_on_the_page(tmp_path, monkeypatch, capsys):
    (tmp_path / "space.json").write_text(json.dumps({"model": "you/net@" + "0" * 40}))
    monkeypatch.delenv("DALA_MODEL", raising=False)
    asked, load = [], Explainer.load

    def refusing(source=None, *args, **kwargs):
        asked.append(source)
        if source and source != pretrained.SHIPPED:
            raise serialization.WeightsError(f"{source}: the Hub was not reached.")
        return load(source, *args, **kwargs)

    monkeypatch.setattr(Explainer, "load", refusing)
    explainer, note = pinned.load(tmp_path)
    assert asked == ["you/net@" + "0" * 40, pretrained.SHIPPED]
    assert explainer.origin.sha256 == serialization.sha256(pretrained.SHIPPED / serialization.FILE)
    assert f"(the shipped weights, since you/net@{'0' * 40} could not be loaded)" in app._head(explainer, note)
    assert "The shipped weights run instead." in capsys.readouterr().err
    # What a host asks for by name has no stand-in.
    monkeypatch.setenv("DALA_MODEL", str(tmp_path / "nowhere"))
    monkeypatch.setattr(Explainer, "load", load)
    with pytest.raises(serialization.WeightsError, match="nowhere"):
        pinned.load(tmp_path)
    monkeypatch.delenv("DALA_MODEL")
    (tmp_path / "space.json").write_text("{}")
    with pytest.raises(serialization.WeightsError, match="must be"):
        pinned.load(tmp_path)


def test_the_page_names_the_commit_that_runs(small, tmp_path):
    # As the client caches a commit, and that it has no check of laboratories.
    absent = tmp_path / "models--you--net/.no_exist" / COMMIT / SHIFT
    absent.parent.mkdir(parents=True)
    absent.touch()
    origin = models.LoadedModel(small.model, "you/net", COMMIT, "00", tmp_path / "models--you--net/snapshots" / COMMIT)
    shown = Explainer(small.model, "cpu", origin)
    assert f"(you/net@{COMMIT[:7]})" in app._head(shown)


@contextmanager
def running(folder, python=sys.executable, **environment):
    """`python app.py` in a folder, as the platform starts it; its address and process."""
    log = Path(environment.pop("log")).open("w+")  # noqa: SIM115
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DALA_", "GRADIO_", "PYTHONPATH"))}
    env |= {"GRADIO_SERVER_PORT": "7869", "GRADIO_ANALYTICS_ENABLED": "False", **environment}
    process = subprocess.Popen([str(python), "app.py"], cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        url, until = "http://127.0.0.1:7869/", time.monotonic() + 120
        while time.monotonic() < until:
            assert process.poll() is None, Path(log.name).read_text()
            try:
                httpx.get(url, timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url, process
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.mark.slow
def test_one_function_is_marked_for_the_gpu_and_the_app_explains(folder, tmp_path, explainer, patch_file):
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "spaces.py").write_text(SPACES)
    record = tmp_path / "record.json"
    environment = {"PYTHONPATH": str(tmp_path / "lent"), "SPACES_RECORD": str(record), "log": str(tmp_path / "log")}
    with running(folder, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"), **environment) as (url, _):
        page = httpx.get(url).text
        numbers, *_ = Client(url, verbose=False).predict(handle_file(patch_file), api_name="/explain")
    told = json.loads(record.read_text())
    assert told["marked"] == [["run", zero_gpu.SECONDS]]
    assert told["devices"]
    assert all(devices == ["cpu"] for devices in told["devices"])
    assert numbers["probabilities"] == pytest.approx(explainer.explain(patch_file).probabilities, abs=1e-5)
    # Nothing is in the cache and nobody is asked: the shipped weights stand in, and the page says so.
    assert f"since {PINNED} could not be loaded" in page


def test_where_a_gpu_is_lent_nothing_else_touches_it(small, monkeypatch):
    monkeypatch.delenv("DALA_DEVICE", raising=False)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert models_device.find_device().type == "cpu"
    assert models_device.find_device("cpu").type == "cpu"
    made = []
    marked = SimpleNamespace(GPU=lambda duration: lambda function: made.append(duration) or function)
    monkeypatch.setitem(sys.modules, "spaces", marked)
    own = Explainer(small.model, "cpu")
    near, of = own.engine, engine.Engine.of
    monkeypatch.setattr(
        engine.Engine, "of", lambda model, device: made.append(str(device)) or of(model, torch.device("cpu"))
    )
    zero_gpu.lend(own)
    assert made == ["cuda", zero_gpu.SECONDS]
    # The head, all that another class needs, is the one on the CPU.
    assert own.engine.last is near.last
    monkeypatch.setitem(sys.modules, "spaces", None)
    plain = Explainer(small.model, "cpu")
    before = plain.engine
    zero_gpu.lend(plain)
    assert plain.engine is before


def test_a_lent_gpu_changes_no_map(small, patch, monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lambda duration: lambda function: function))
    lent = Explainer(small.model, "cpu")
    zero_gpu.lend(lent)
    methods = ("grad_cam", "layer_cam", "ablation_cam")
    a, b = (e.explain_batch([patch, patch], ["benign", None], methods=methods) for e in (small, lent))
    for one, two in zip(a, b, strict=True):
        assert one.target == two.target
        for method in methods:
            torch.testing.assert_close(one.signed[method], two.signed[method])
    torch.testing.assert_close(
        small.retarget(a[0], "malignant").maps["grad_cam"], lent.retarget(b[0], "malignant").maps["grad_cam"]
    )


def test_the_image_is_built_by_the_readmes_commands():
    text = (ROOT / "Dockerfile").read_text()
    steps = [line.split(maxsplit=1) for line in text.replace("\\\n", "").splitlines() if line[:1].isupper()]
    readme = (ROOT / "README.md").read_text()
    commands = [words for key, words in steps if key == "RUN" and words.startswith("pip")]
    commands += [shlex.join(json.loads(words)) for key, words in steps if key == "CMD"]
    assert commands == ["pip install -r requirements.txt", "python app.py"]
    assert all(f"    {command}\n" in readme for command in commands)
    for line in text.splitlines():
        if line.startswith("#   "):
            assert f"    {line[4:]}\n" in readme
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for key, words in steps if key == "COPY" for source in words.split()[:-1]}
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)
    keys = [key for key, _ in steps]
    assert keys.index("USER") > max(i for i, key in enumerate(keys) if key == "RUN")
    assert "root" not in dict(reversed(steps))["USER"]
    assert "HEALTHCHECK" in keys
    assert "GRADIO_SERVER_NAME=0.0.0.0" in text


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_it_installs_into_nothing_and_answers_in_time_and_memory(tmp_path, patch_file):
    """The folder as it is uploaded, its requirements in an empty environment, a first answer over HTTP."""
    space.write(tmp_path / "space")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    # Where PyTorch's own index is out of reach pip passes it over; one try an index, or that alone takes minutes.
    quick = {**os.environ, "PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "60"}
    install = [python, "-m", "pip", "install", "-q", "-r", "requirements.txt"]
    subprocess.run(install, cwd=tmp_path / "space", env=quick, check=True)
    began = time.monotonic()
    with running(tmp_path / "space", python, HF_HOME=str(tmp_path / "home"), log=str(tmp_path / "log")) as (
        url,
        process,
    ):
        numbers, *_ = Client(url, verbose=False).predict(handle_file(patch_file), api_name="/explain")
        seconds = time.monotonic() - began
        status = Path(f"/proc/{process.pid}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024**2
    print(f"first answer after {seconds:.1f} s, peak {peak:.2f} GB")
    assert sum(numbers["probabilities"].values()) == pytest.approx(1)
    assert seconds < 20
    assert peak < 2
