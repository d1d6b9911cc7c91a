"""What the tests share: the shipped network, small networks, phantoms, and real pictures where they are present."""

import atexit
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["OMP_WAIT_POLICY"] = "passive"  # as the app, which is imported after torch here
# Each test process its own uploads, which a test counts, and its own ports: two that reach for one at the same time
# leave the second without a server.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="dala-uploads-")
os.environ["GRADIO_SERVER_PORT"] = str(7860 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))

import gradio as gr
import numpy as np
import pytest
import torch
from gradio import processing_utils
from PIL import Image

import app
from dala import DALAResNet50, Explainer
from dala.explain import shift
from dala.images.preprocessing import Preprocessing
from dala.models import serialization
from dala.phantoms import phantom
from tests.support import shifted
from tests.support.fake_hub import Fault, Hub, point
from tests.support.hub_client import BODY

atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

REAL = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "BreaKHis_v1"
SMALL = Preprocessing(height=96, width=128)


@pytest.fixture(scope="session")
def explainer() -> Explainer:
    """The shipped weights, on the CPU."""
    return Explainer.load(device="cpu")


@pytest.fixture(scope="session")
def small(explainer: Explainer) -> Explainer:
    """The shipped weights on inputs of 128x96 px, which cost a twenty-sixth."""
    model = DALAResNet50(explainer.model.class_names, SMALL)
    model.load_state_dict(explainer.model.state_dict())
    return Explainer(model.eval(), device="cpu")


@pytest.fixture(scope="session")
def small_folder(small: Explainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network as a folder, for whatever loads one."""
    folder = tmp_path_factory.mktemp("small")
    serialization.save(small.model, folder)
    return folder


@pytest.fixture(scope="session")
def shift_folder(small_folder: Path, patch: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network in a folder with `shift.json`, whose one laboratory is that of the patch."""
    place = tmp_path_factory.mktemp("shift") / "net"
    shutil.copytree(small_folder, place)
    rates = {"own": [{"title": "Utopia", "pictures": 120, "spoken": 6, "median": 0.7}], "left_out": [], "outside": []}
    shift.write(place, shifted.of(patch), rates, serialization.sha256(place / serialization.FILE))
    return place


@pytest.fixture(scope="session")
def at_home(shift_folder: Path) -> Explainer:
    """An explainer from `shift_folder`."""
    return Explainer.load(shift_folder, "cpu")


@pytest.fixture(scope="session")
def two_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two files of a model, whose content does not matter."""
    folder = tmp_path_factory.mktemp("two_files")
    (folder / "model.safetensors").write_bytes(BODY)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hub]]:
    """Start a Hub that serves a folder as you/net, with a fault, and let this process use it."""
    hubs = []

    def start(folder: Path, fault: Fault | None = None, **options: bool) -> Hub:
        hubs.append(Hub({"you/net": folder}, {"you/net": fault} if fault else {}, **options).__enter__())
        point(monkeypatch, hubs[-1].url, tmp_path / "cache")
        return hubs[-1]

    yield start
    for one in hubs:
        one.__exit__()


@pytest.fixture(scope="session")
def served(small_folder: Path) -> Iterator[gr.Blocks]:
    """The app around the small network, running, with its endpoints as MCP tools."""
    demo = app.build(Explainer.load(small_folder, "cpu"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DALA_MCP", "1")
        app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield demo
    demo.close()


@pytest.fixture(scope="session")
def patch() -> Image.Image:
    """A malignant phantom, 128x96 px."""
    return phantom.make(3, size=(128, 96)).picture


@pytest.fixture(scope="session")
def patch_file(patch: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("patch") / "patch.png"
    patch.save(file)
    return file


@pytest.fixture(scope="session")
def broken_file(patch_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first half of a PNG."""
    file = tmp_path_factory.mktemp("broken") / "broken.png"
    content = patch_file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return file


@pytest.fixture(scope="session")
def real_patches() -> list[Path]:
    """Real BreakHis patches at 100X, one a patient."""
    first = {p.name.split("-")[2]: p for p in sorted(REAL.rglob("*-100-*.jpg"), reverse=True)}
    if not first:
        pytest.skip("the BreakHis pictures are not here")
    return list(first.values())


@pytest.fixture(scope="session")
def real_root(real_patches: list[Path]) -> Path:
    """The folder of the BreakHis pictures."""
    return REAL


@pytest.fixture
def heat() -> torch.Tensor:
    """A map with zeros, a slope and a peak, 96x128."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(np.maximum(rng.normal(0.2, 0.5, (96, 128)), 0).astype(np.float32))


@pytest.fixture
def elsewhere(patch_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Another server, which Gradio is told to trust: its address, and the requests that reached it."""
    reached: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            reached.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(patch_file.read_bytes())

        def log_message(self, *_):
            pass

    # Gradio refuses private addresses by itself; a public one it would fetch.
    monkeypatch.setattr(processing_utils, "PUBLIC_HOSTNAME_WHITELIST", ["127.0.0.1"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", reached
    server.shutdown()
    server.server_close()


@pytest.fixture
def offline(monkeypatch):
    """Every connection fails the test."""

    def connect(*_):
        raise AssertionError("a request was made")

    monkeypatch.setattr(socket.socket, "connect", connect)
