"""Many users at once: does everybody get their own answer, how soon, and what does the server keep afterwards?

    python tests/load/users.py [--users 50] [--minutes 5] [--think 5] [--pictures 8]

The app runs in a process of its own with the shipped weights; the users are clients in this one, over HTTP as a page
and a program speak to it. Each, after a pause of about `--think` seconds, opens the page; or chooses a sample; or
uploads one of `--pictures`, over the API, or on the page to look at it under another magnification, too; or puts a
threshold on a map. Every answer is compared with what one user alone was told before. Exit code 1 if an answer is wrong
or missing, if p95 is over 1.5 s for thresholds or 15 s for explanations, if memory grew by a tenth after the first
quarter of the time, or if files outlive their time.

For a machine that does nothing else.
"""

import argparse
import asyncio
import base64
import io
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import httpx
import numpy as np
from PIL import Image

from dala.phantoms import phantom

# Files are kept so long, in seconds, and looked for so often: as in the app, but within the minutes of a test.
OFTEN, KEPT = 10, 90
SERVER = f"""import app
from dala import Explainer
demo = app.build(Explainer.load())
demo.delete_cache = ({OFTEN}, {KEPT})
app.launch(demo)"""
TARGETS = {"threshold": 1.5, "explain": 15.0, "sample": 15.0, "visit": 15.0}  # p95 in seconds
METHODS, RULES = ("grad_cam", "layer_cam"), ("mean_std", "otsu", "percentile")


class WrongError(Exception):
    """An answer that is not the one that a user alone is given."""


@dataclass
class Case:
    """A picture as a file's bytes, and a question about it; with what one user alone was told."""

    number: int
    content: bytes
    method: str
    rule: str
    explained: dict[str, Any] = field(default_factory=dict)
    masked: dict[str, Any] = field(default_factory=dict)
    shown: list[Any] = field(default_factory=list)
    chosen: Any = None


@dataclass
class Server:
    """The app's process and where its files lie."""

    pid: int
    url: str
    files: Path

    def state(self) -> dict[str, float]:
        """Resident memory in MB, threads, open handles."""
        told = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":" in line
        )
        handles = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        return {"MB": int(told["VmRSS"].split()[0]) / 1024, "threads": int(told["Threads"]), "handles": handles}

    def outlived(self) -> int:
        """Files older than they may become."""
        limit = time.time() - KEPT - 2 * OFTEN
        # The samples' thumbnails belong to the page itself.
        return sum(f.stat().st_ctime < limit for f in self.files.rglob("*") if f.is_file()) - self.own

    own: int = 0


class User:
    """One visitor, with a page and a session of their own.

    Args:
        client: over which they speak.
        config: the page's, as a browser reads it.
        name: of the session.
    """

    def __init__(self, client: httpx.AsyncClient, config: dict[str, Any], name: str) -> None:
        self.client, self.config, self.name = client, config, name

    async def page(self, case: Case) -> None:
        """Open the page."""
        for path in ("", "config", "theme.css"):
            answer = await self.client.get(path)
            answer.raise_for_status()

    async def explain(self, case: Case) -> dict[str, Any]:
        """Upload, and ask over the API."""
        values = [await self._upload(case), "malignant", case.rule, None, None, case.method, None, "for", True]
        numbers, *_ = await self._call("explain", values)
        if case.explained:
            _compare(numbers, case.explained)
        return numbers

    async def threshold(self, case: Case) -> dict[str, Any]:
        """Another threshold on a map that one has."""
        numbers, _ = await self._call("threshold", [case.explained["raw_maps"], case.rule, None, 460, 700, None])
        if case.masked:
            _compare(numbers, case.masked)
        return numbers

    async def sample(self, case: Case) -> Any:
        """Choose a sample."""
        gallery = self._component("samples")
        shown = _told(await self._event(gallery["id"], "select", [""], {"index": case.number % 6, "value": None}))
        if case.chosen:
            _compare(shown, case.chosen)
        return shown

    async def visit(self, case: Case) -> list[Any]:
        """Drop a picture on the page, and look at the same one again: what the session kept has to be one's own."""
        patch, scale = map(self._component, ("patch", "scale-choice"))
        file = await self._upload(case)
        first = await self._event(patch["id"], "upload", [file, None])
        again = await self._event(scale["id"], "input", ["100X", None, None])
        shown = [_told(first), _told(again), await self._picture(first), await self._picture(again)]
        if case.shown:
            _compare(shown, case.shown)
        return shown

    def _component(self, name: str) -> dict[str, Any]:
        return next(c for c in self.config["components"] if name in (c["props"].get("elem_classes") or []))

    async def _upload(self, case: Case) -> dict[str, Any]:
        answer = await self.client.post("gradio_api/upload", files={"files": ("patch.png", case.content)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": "patch.png", "meta": {"_type": "gradio.FileData"}}

    async def _call(self, endpoint: str, values: list[Any]) -> list[Any]:
        call = await self.client.post(f"gradio_api/call/{endpoint}", json={"data": values})
        call.raise_for_status()
        told = (await self.client.get(f"gradio_api/call/{endpoint}/{call.json()['event_id']}")).text
        # Heartbeats come before it where it takes long.
        event, data = told.strip().split("\n\n")[-1].removeprefix("event: ").split("\ndata: ", 1)
        if event != "complete":
            raise WrongError(f"{endpoint}: {told[-200:]}")
        return json.loads(data)

    async def _event(self, component: int, kind: str, values: list[Any], chosen: Any = None) -> list[Any]:
        (index,) = (
            d["id"] for d in self.config["dependencies"] if [component, kind] in [list(t) for t in d["targets"]]
        )
        body = {"fn_index": index, "session_hash": self.name, "data": values, "event_data": chosen}
        joined = await self.client.post("gradio_api/queue/join", json=body)
        joined.raise_for_status()
        async with self.client.stream("GET", "gradio_api/queue/data", params={"session_hash": self.name}) as stream:
            async for line in stream.aiter_lines():
                told = json.loads(line.removeprefix("data: ")) if line else {}
                if told.get("msg") == "process_completed" and told["event_id"] == joined.json()["event_id"]:
                    if not told["success"]:
                        raise WrongError(f"{kind}: {told['output']}")
                    return told["output"]["data"]
        raise WrongError(f"{kind}: no answer")

    async def _picture(self, data: list[Any]) -> str:
        answer = await self.client.get(f"gradio_api/file={data[0]['path']}")
        answer.raise_for_status()
        return base64.b64encode(np.asarray(Image.open(io.BytesIO(answer.content)))[::16, ::16].tobytes()).decode()


def _told(data: list[Any]) -> Any:
    """Of what the column shows, the classes with their probabilities and the warning."""
    return [data[2]["choices"], data[2]["value"], data[5]["value"]]


def _compare(given: Any, alone: Any, where: str = "") -> None:
    """Raise WrongError where an answer differs from the serial one by more than threads may make it differ."""
    if isinstance(alone, dict):
        if given.keys() != alone.keys():
            raise WrongError(f"{where}: {sorted(given)} instead of {sorted(alone)}")
        for key in alone.keys() - {"seconds"}:
            _compare(given[key], alone[key], f"{where}/{key}")
    elif isinstance(alone, list):
        if len(given) != len(alone):
            raise WrongError(f"{where}: {given} instead of {alone}")
        for k, (one, other) in enumerate(zip(given, alone, strict=True)):
            _compare(one, other, f"{where}/{k}")
    elif where.endswith("raw_maps"):
        ours, theirs = (np.load(io.BytesIO(base64.b64decode(text))) for text in (given, alone))
        for name in theirs:
            if not np.allclose(ours[name], theirs[name], rtol=0, atol=5e-5 * theirs[name].max()):
                raise WrongError(f"{where}/{name}")
    elif isinstance(alone, float):
        if not math.isclose(given, alone, rel_tol=1e-4, abs_tol=1e-4):
            raise WrongError(f"{where}: {given} instead of {alone}")
    elif given != alone and "description" not in where:  # it rounds what was compared as numbers
        raise WrongError(f"{where}: {given!s:.200} instead of {alone!s:.200}")


@contextmanager
def serving(port: int, waiting: int):
    """The app in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="dala-users-") as folder, Path(folder, "log").open("w") as log:
        files = Path(folder) / "files"
        environment = {
            **os.environ, "GRADIO_TEMP_DIR": str(files), "GRADIO_SERVER_PORT": str(port), "DALA_QUEUE": str(waiting),
            "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_ANALYTICS_ENABLED": "False", "OMP_WAIT_POLICY": "passive",
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            url, until = f"http://127.0.0.1:{port}/", time.monotonic() + 180
            while True:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"The app does not start: {Path(log.name).read_text()[-500:]}")
                try:
                    httpx.get(url)
                    break
                except httpx.TransportError:
                    time.sleep(0.3)
            yield Server(process.pid, url, files, len([f for f in files.rglob("*") if f.is_file()]))
        finally:
            process.terminate()
            process.wait(20)


def cases(count: int) -> list[Case]:
    """Pictures, samples among them, each with a method and a rule."""
    contents = [f.read_bytes() for f in sorted((ROOT / "examples").glob("skin_*.jpg"))][:count]
    drawn = [phantom.make(seed, malignant=seed % 2 == 1).picture for seed in range(count - len(contents))]
    for picture in drawn:
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        contents.append(stream.getvalue())
    return [Case(k, content, METHODS[k % 2], RULES[k % 3]) for k, content in enumerate(contents)]


async def live(user: User, asked: list[Case], minutes: float, think: float, seed: int, tally: "Tally") -> None:
    """One user's minutes."""
    chance, until = random.Random(seed), time.monotonic() + 60 * minutes
    await asyncio.sleep(chance.uniform(0, think))
    while time.monotonic() < until:
        what = chance.choices(("page", "sample", "visit", "explain", "threshold"), (2, 2, 1, 1, 2))[0]
        began = time.monotonic()
        try:
            await getattr(user, what)(chance.choice(asked))
            tally.seconds[what].append(time.monotonic() - began)
        except WrongError as error:
            tally.say("wrong", f"{what}: {error}")
        except Exception as error:
            tally.say("failed", f"{what}: {type(error).__name__} {error}")
        await asyncio.sleep(chance.uniform(0.5, 1.5) * think)


@dataclass
class Tally:
    """What the users met."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def say(self, kind: str, sentence: str) -> None:
        """Count, and print the first few."""
        self.counts[kind] += 1
        if self.counts[kind] <= 5:
            print(f"{kind}: {sentence}", file=sys.stderr)

    def slow(self, minutes: float) -> bool:
        """Print the times; whether a target is missed."""
        total = sum(map(len, self.seconds.values()))
        print(f"answers {total}, failed {self.counts['failed']}, wrong {self.counts['wrong']}")
        print(f"throughput {total / minutes / 60:.2f} answers/s")
        missed = False
        for what, times in sorted(self.seconds.items()):
            p50, p95 = np.percentile(times, (50, 95))
            target = TARGETS.get(what, math.inf)
            missed |= p95 > target
            print(
                f"{what:10} {len(times):5}  p50 {p50:6.2f} s  p95 {p95:6.2f} s"
                + f"  (at most {target} s)" * (target < 99)
            )
        return missed


async def _settled(server: Server, minutes: float) -> dict[str, float]:
    """The server's state once everybody is there: a session that is open costs memory, and is no leak."""
    await asyncio.sleep(60 * minutes / 4)
    return server.state()


async def load(server: Server, args: argparse.Namespace) -> bool:
    """Learn the serial answers, let the users in, and tell; whether all is well."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=args.users)
    async with httpx.AsyncClient(base_url=server.url, timeout=300, limits=limits) as client:
        config, asked, tally = (await client.get("config")).json(), cases(args.pictures), Tally()
        for k, case in enumerate(asked):
            alone = User(client, config, f"alone{k}")
            case.explained = await alone.explain(case)
            case.masked, case.shown = await alone.threshold(case), await alone.visit(case)
            case.chosen = await alone.sample(case)
        users = [User(client, config, f"user{k}") for k in range(args.users)]
        seeds = range(1000 * args.seed, 1000 * args.seed + args.users)
        lives = zip(users, seeds, strict=True)
        all_lives = (live(user, asked, args.minutes, args.think, seed, tally) for user, seed in lives)
        before, *_ = await asyncio.gather(_settled(server, args.minutes), *all_lives)
    await asyncio.sleep(2 * OFTEN)
    after, outlived = server.state(), server.outlived()
    missed = tally.slow(args.minutes)
    print("server      " + ", ".join(f"{name} {before[name]:.0f} -> {after[name]:.0f}" for name in before))
    print(f"files older than their {KEPT} s: {outlived}")
    grown = after["MB"] > 1.1 * before["MB"]
    return not (missed or grown or outlived > 0 or tally.counts["failed"] or tally.counts["wrong"])


def main() -> int:
    """Run the load; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--think", type=float, default=5.0, help="seconds between two requests of a user")
    parser.add_argument("--pictures", type=int, default=8, help="different ones that are uploaded")
    parser.add_argument("--port", type=int, default=9790)
    parser.add_argument("--seed", type=int, default=0, help="of what the users do")
    args = parser.parse_args()
    with serving(args.port, waiting=4 * args.users) as server:
        return 0 if asyncio.run(load(server, args)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
