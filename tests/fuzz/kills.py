"""Kill -9 at random times, many times: training, a folder's explanation and a download, each gone on with after it.

    python tests/fuzz/kills.py [--n 30] [--seed 0]

After every kill: no file under its own name is a half one, and none that was finished has changed or gone. In the end
every task is left to finish, and must have made what a run without kills makes. Exit code 1 if anything is otherwise.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np
from safetensors import safe_open

from dala import DALAResNet50
from dala.evaluation.predictions import Predictions
from dala.models import pretrained, serialization
from dala.phantoms import dataset
from dala.training import checkpoint
from tests.support.fake_hub import COMMIT, Fault, Hub
from tests.support.forked_cli import Warm

SMALL = {"height": 96, "width": 128}
TRAINING = [
    "--format",
    "folder",
    "--split",
    "patient",
    "--folds",
    "2",
    "--height",
    "96",
    "--width",
    "128",
    "--crop",
    "64",
    "--views",
    "1",
    "--batch",
    "2",
    "--probe-epochs",
    "1",
    "--epochs",
    "2",
    "--precision",
    "fp32",
    "--device",
    "cpu",
]


def whole(file: Path) -> None:
    """Raise if a file is a half one, by what its name says that it is."""
    if file.suffix == ".json":
        json.loads(file.read_text(encoding="utf-8"))
    elif file.name == "predictions.csv":
        Predictions.read(file)
    elif file.suffix == ".safetensors":
        with safe_open(file, "np") as stored:
            list(stored.keys())
    elif file.suffix == ".npz":
        with np.load(file) as stored:
            dict(stored)
    elif file.name == "last.pt":
        checkpoint.read(file)


def digests(root: Path) -> dict[str, str]:
    """SHA-256 by name of the files that are finished; JSON without what differs from run to run."""
    found = {}
    for file in sorted(f for f in root.rglob("*") if f.is_file() and not f.name.endswith(".part")):
        name = str(file.relative_to(root))
        # Of a download's own folder, of features and of a checkpoint nothing is promised but that they are whole.
        if ".dala-" in name or "features" in name or file.name in ("last.pt", "log.csv", "summary.csv"):
            continue
        content = file.read_bytes()
        if file.suffix == ".json":
            told = json.loads(content)
            content = json.dumps({k: v for k, v in told.items() if "second" not in k and k != "commands"}).encode()
        found[name] = hashlib.sha256(content).hexdigest()
    return found


@dataclass
class Task:
    """A command that is killed and given again, what it writes, and what counts as a unit of its work."""

    name: str
    command: Callable[[Path], list[str]]
    unit: str
    again: tuple[str, ...] = ()
    place: Path = Path()
    started: bool = False
    seconds: float = 0.0
    whole: dict[str, str] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        """The command, with what makes it go on where it was given before."""
        return [*self.command(self.place), *(self.again if self.started else ())]

    def units(self) -> int:
        """Finished ones."""
        return len(list(self.place.rglob(self.unit)))


def tasks(root: Path) -> tuple[list[Task], Path]:
    """The three tasks, and the folder that the Hub serves."""
    data, many, net = root / "phantoms", root / "many", root / "net"
    dataset.make_folder(data, dataset.Recipe(12, size=(128, 96)))
    dataset.make_folder(many, dataset.Recipe(64, size=(96, 64)))
    serialization.save(DALAResNet50(("benign", "malignant"), SMALL), net)
    picture = str(next((data / "benign").iterdir()))
    start = ["--init", str(pretrained.SHIPPED / serialization.FILE)]
    found = [
        Task(
            "training",
            lambda out: ["train", "--data", str(data), "--out", str(out), *start, *TRAINING],
            "predictions.csv",
            ("--resume",),
        ),
        Task("folder", lambda out: ["explain", str(many), "--out", str(out), "--model", str(net)], "explanation.json"),
        Task(
            "download",
            lambda out: ["explain", picture, "--out", str(out / "out"), "--model", "you/net"],
            COMMIT,
        ),
    ]
    return found, net


def check(task: Task, before: dict[str, str]) -> list[str]:
    """What is wrong after a kill."""
    wrong = []
    for file in sorted(f for f in task.place.rglob("*") if f.is_file() and not f.name.endswith(".part")):
        try:
            if ".dala-" not in str(file) and "features" not in str(file):
                whole(file)
        except Exception as error:
            wrong.append(f"{file.relative_to(task.place)} is a half one: {error}")
    if not wrong:
        after = digests(task.place)
        wrong += [f"{name} is not what it was" for name, told in before.items() if after.get(name) != told]
    return wrong


def uninterrupted(task: Task, warm: Warm, root: Path) -> None:
    """Learn how long the task takes, and what it makes."""
    anew(task, root, "whole")
    began = time.monotonic()
    ended = warm.run(*task.arguments())
    if ended.code:
        raise SystemExit(f"{task.name}: {ended.err}")
    task.seconds, task.whole = time.monotonic() - began, digests(task.place)


def anew(task: Task, root: Path, word: object) -> None:
    """Start from nothing: in a new folder, or with nothing downloaded."""
    task.place = root / ("home" if task.name == "download" else f"{task.name}-{word}")
    task.started = False
    shutil.rmtree(task.place, ignore_errors=True)


def kill(task: Task, warm: Warm, chance: random.Random, tally: Counter[str]) -> list[str]:
    """Start, or go on, and kill at a random time; what is wrong then."""
    before, units, began = digests(task.place), task.units(), time.monotonic()
    warm.start(*task.arguments())
    task.started = True
    until = began + chance.uniform(0, task.seconds)
    ended = warm.kill_when(lambda: time.monotonic() > until)
    wrong = check(task, before)
    if ended.code == 0:  # on a machine that is quicker now
        task.seconds = min(task.seconds, time.monotonic() - began)
    elif ended.code != -9:
        wrong.append(f"exit code {ended.code}: {ended.err.strip()}")
    tally["kills"] += ended.code == -9
    tally["survived"] += ended.code == -9 and not wrong
    tally["finished units before"] += units
    tally["of them lost"] += max(0, units - task.units())
    return wrong


def finish(task: Task, warm: Warm) -> list[str]:
    """Let the task come to its end; what is otherwise than without kills."""
    ended = warm.run(*task.arguments())
    if ended.code:
        return [f"exit code {ended.code}: {ended.err.strip()}"]
    made = digests(task.place)
    return [f"{n} differs from the uninterrupted run's" for n in task.whole if made.get(n) != task.whole[n]]


def attack(task: Task, warm: Warm, root: Path, kills: int, chance: random.Random) -> int:
    """Kill a task so many times, and let it finish after every fifth; how many faults there were."""
    uninterrupted(task, warm, root)
    tally, wrong, rounds = Counter[str](), list[str](), 0
    while tally["kills"] < kills:
        rounds += 1
        anew(task, root, rounds)
        for _ in range(min(5, kills - tally["kills"])):
            wrong += kill(task, warm, chance, tally)
        wrong += finish(task, warm)
    counts = ", ".join(
        f"{name} {tally[name]}" for name in ("kills", "survived", "finished units before", "of them lost")
    )
    print(f"{task.name} ({task.seconds:.1f} s without a kill): {counts}; finished {rounds} times")
    print("".join(f"  {sentence}\n" for sentence in wrong), end="", flush=True)
    return len(wrong)


def main() -> int:
    """Kill, and tell; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=30, help="kills, over the three tasks (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of their times (default: 0)")
    args = parser.parse_args()
    chance, wrong = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory(prefix="dala-kills-") as folder:
        root = Path(folder)
        todo, net = tasks(root)
        slow = {"you/net": Fault(rate=60_000_000, on=".safetensors")}
        hub = Hub({"you/net": net}, slow)
        with hub, Warm(root, HF_ENDPOINT=hub.url, HF_HOME=str(root / "home")) as warm:
            for k, task in enumerate(todo):
                share = args.n // len(todo) + (k < args.n % len(todo))
                wrong += attack(task, warm, root, share, chance) if share else 0
    print(f"{wrong} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
