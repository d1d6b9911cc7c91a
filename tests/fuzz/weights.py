"""Damaged weights and configs through `dala.models.load`: each gives a sound network or one sentence.

python tests/fuzz/weights.py --n 500
"""

import argparse
import json
import os
import random
import re
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch

from dala import DALAResNet50, models
from dala.models import serialization
from dala.models.serialization import WeightsError
from tests.fuzz.jsons import mutated

FILE, CONFIG = serialization.FILE, serialization.CONFIG


def sound(folder: Path) -> None:
    """A small network's folder, whose config names no SHA-256."""
    model = DALAResNet50(["x", "y"], {"height": 64, "width": 64, "magnification": "40X"}, {"data": "none"})
    serialization.save(model, folder)
    config = json.loads((folder / CONFIG).read_text())
    del config["sha256"]
    (folder / CONFIG).write_text(json.dumps(config))


def damage(rng: random.Random, folder: Path) -> str:
    """Do something to the weights' file or to the config; in words."""
    if rng.random() < 0.5:
        config = folder / CONFIG
        config.write_bytes(mutated(rng, json.loads(config.read_text())))
        return f"a config of {config.read_bytes()[:300]!r}"
    file = folder / FILE
    size = file.stat().st_size
    with file.open("r+b") as stream:
        header = struct.unpack("<Q", stream.read(8))[0]
        where = rng.choice([0, 0, 8, 8 + header, size])
        if where == size:
            stream.truncate(rng.randrange(size))
            return "a truncated file"
        for _ in range(rng.choice([1, 2, 16]) if where else 0):
            stream.seek(rng.randrange(where))
            stream.write(rng.randbytes(rng.choice([1, 2, 4])))
        stream.seek(rng.randrange(8 + header, size - 64))
        stream.write(rng.randbytes(64) if rng.random() < 0.5 else b"\xff\x7b" * 32)
    return f"bytes of the first {where}"


def outcome(folder: Path) -> str:
    """What became of a folder: "a network" that answers, or the kind of its sentence; AssertionError for neither."""
    try:
        loaded = models.load(folder)
    except WeightsError as error:
        told = str(error)
        assert told.endswith(".") and told.isprintable() and len(told) < 700, repr(told)
        return re.sub(r"\(?\d+.*", "…", told.replace(str(folder), ""))[:60]
    model, size = loaded.model, loaded.model.preprocessing
    assert all(value.isfinite().all() for value in model.state_dict().values())
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, 64, 64)).isfinite().all()
    assert size.height * size.width <= 2048**2 and all(name.isprintable() for name in model.class_names)
    return "a network"


def run(n: int, seed: int) -> tuple[Counter[str], list[str]]:
    """What became of n damaged folders, and those with which something else went wrong."""
    rng, kinds, failures = random.Random(seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound(folder)
        good = {file: (folder / file).read_bytes() for file in (FILE, CONFIG)}
        for _ in range(n):
            what = damage(rng, folder)
            try:
                kinds[outcome(folder)] += 1
            except Exception as error:
                failures.append(f"{what}: {type(error).__name__}: {error}")
            changed = CONFIG if "config" in what else FILE
            (folder / changed).write_bytes(good[changed])
    return kinds, failures


def main() -> int:
    """Run; 1 where anything but a network or a sentence came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    kinds, failures = run(args.n, args.seed)
    print(
        f"{args.n} inputs, seed {args.seed}, {time.perf_counter() - began:.0f} s: {kinds.pop('a network', 0)} networks"
    )
    for sentence, times in kinds.most_common():
        print(f"{times:7} {sentence}")
    print(*failures, sep="\n", end="\n" * bool(failures))
    return int(bool(failures))


if __name__ == "__main__":
    raise SystemExit(main())
