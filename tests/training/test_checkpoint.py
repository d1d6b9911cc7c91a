"""Checkpoints on a full disk."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path):
    pytest.importorskip("resource")
    code = f"""
import resource, signal
from pathlib import Path, PosixPath
from dala.training import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = Path({str(tmp_path)!r}) / "last.pt"
import torch
checkpoint.write({{"step": 1}}, file)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    checkpoint.write({{"step": 2, "x": torch.zeros(1_000_000)}}, file)
except checkpoint.CheckpointError as error:
    print(error)
print(checkpoint.read(file)["step"], [p.name for p in file.parent.iterdir()])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "the previous one is kept" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "1 ['last.pt']"
