"""Downloads from the tests' Hub, in this process and in others."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from dala.hub import cache as hub_cache

NAMES = ("model.safetensors", "config.json")
BODY = hashlib.shake_256(b"weights").digest(400_000)
ROOT = Path(__file__).resolve().parents[2]


def fetch(revision=None, **options):
    """Download from you/net; return the contents of the two files, and their folder."""
    return hub_cache.download(
        "you/net", NAMES, lambda folder: [(folder / n).read_bytes() for n in NAMES], revision, **options
    )


def start(code: str | list[str], url: str, cache: Path, **environment: str) -> subprocess.Popen:
    """Run Python code or arguments in another process, with another Hub and cache."""
    return subprocess.Popen(
        [sys.executable, *(code if isinstance(code, list) else ["-c", code])],
        env={**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(cache), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
