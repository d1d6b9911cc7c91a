"""What the tests share: the shipped network, small networks, phantoms, and real pictures where they are present."""

import os
import socket
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import numpy as np
import pytest
import torch
from PIL import Image

from dala import DALAResNet50, Explainer, phantom
from dala.images import Preprocessing

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


@pytest.fixture
def heat() -> torch.Tensor:
    """A map with zeros, a slope and a peak, 96x128."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(np.maximum(rng.normal(0.2, 0.5, (96, 128)), 0).astype(np.float32))


@pytest.fixture
def offline(monkeypatch):
    """Every connection fails the test."""

    def connect(*_):
        raise AssertionError("a request was made")

    monkeypatch.setattr(socket.socket, "connect", connect)
