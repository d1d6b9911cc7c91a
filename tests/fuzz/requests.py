"""Hostile requests against a running app. No answer may have a status of 500 or more or leak anything of the server,
and every failed event has to end with a sentence. Exit status 1 otherwise.

    python tests/fuzz/requests.py --n 2000 --seed 0
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # else this file would hide the package of its name
    sys.path[:1] = [str(Path(__file__).resolve().parents[2])]

import gradio as gr
import httpx

from dala.ui.server.blocks import UNFIT
from tests.fuzz import hostile
from tests.fuzz.hostile import ROOT

API = "gradio_api"
SECONDS = 60
HEADERS: tuple[dict[str, str], ...] = (
    {"Host": "a b"}, {"Host": "<script>"}, {"X-Forwarded-Host": "<script>alert(1)</script>"}, {"Origin": "null"},
    {"X-Forwarded-Host": "a b\x7f"}, {"X-Forwarded-Host": "h:99999999"}, {"X-Forwarded-Proto": "javascript"},
    {"X-Gradio-Server": "gopher://x y"}, {"Cookie": "x" * 9000}, {"Accept-Encoding": "br;q=x"},
    {"Range": "bytes=9-1-2"}, {"Range": "bytes=0-99999999999999"},
    {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"},
    {"Content-Type": "application/json; charset=zz"}, {"Authorization": "Bearer x"}, {"If-None-Match": "*"},
)  # fmt: skip


def routes(app: Any) -> Iterator[tuple[str, str]]:
    """Method and path of every route, in those that are mounted or included, too."""
    for route in app.routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if hasattr(route, "methods"):
            yield from ((method, route.path) for method in sorted(route.methods or ()))
        elif inner is not None and hasattr(inner, "routes"):
            yield from ((method, getattr(route, "path", "") + path) for method, path in routes(inner))


class Attack:
    """Requests to one app, each judged; `bad` lists the failures, `sentences` counts the error messages."""

    def __init__(self, demo: gr.Blocks, uploaded: Path, seed: int = 0) -> None:
        self.demo, self.rng = demo, random.Random(seed)
        self.client = httpx.Client(base_url=str(demo.local_url), timeout=60)
        self.status: Counter[str] = Counter()
        self.sentences: Counter[str] = Counter()
        self.bad: list[str] = []
        with uploaded.open("rb") as stream:
            self.uploaded: str = self.client.post(f"{API}/upload", files={"files": stream}).json()[0]
        first = next(i for i, fn in demo.fns.items() if any(t[1] == "load" for t in fn.targets))
        self.event(first, [None] * len(demo.fns[first].inputs), session="seen")

    def ask(self, method: str, path: str, sent: str = "", **options: Any) -> httpx.Response | None:
        """One request; an answer that never ends is left after its first part."""
        try:
            request = self.client.build_request(method, path, **options)
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            return None  # not to be sent at all
        try:
            answer = self.client.send(request, stream=True)
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer.close()
            else:
                answer.read()
        except httpx.LocalProtocolError:
            return None
        except httpx.RequestError as error:
            self.bad.append(f"{method} {path[:99]}: {error!r}")
            return None
        self.status[str(answer.status_code)] += 1
        text = answer.text if answer.is_closed and hasattr(answer, "_content") else ""
        full = f"{answer.headers} {text}"
        self.judge(f"{method} {path[:99]} {str(options)[:300]}", answer.status_code, full, sent, *hostile.OURS)
        return answer

    def judge(self, what: str, status: int, text: str, *sent: str) -> None:
        """Note an answer that should not be."""
        leaked = hostile.leak(text, *sent)
        if status >= 500 or leaked:
            self.bad.append(f"{what}: {status} {leaked or text[:200]}")

    def event(self, index: int, data: list[Any], session: str, **more: Any) -> None:
        """One event through the queue, to its end."""
        body = {"fn_index": index, "data": data, "session_hash": session, **more}
        self._heard(self._posted(f"{API}/queue/join", body), f"{API}/queue/data?session_hash={session}", body)

    def call(self, name: str, version: str, body: dict[str, Any]) -> None:
        """One call of a public endpoint, to its end."""
        event = self._posted(f"{API}/call{version}{name}", body)
        self._heard(event, f"{API}/call{version}{name}/{event}", body)

    def _posted(self, path: str, body: dict[str, Any]) -> str | None:
        answer = self.ask("POST", path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        return answer.json()["event_id"] if answer is not None and answer.is_success else None

    def _heard(self, event: str | None, path: str, body: dict[str, Any]) -> None:
        if event is None:
            return
        what = f"event {str(body)[:300]}"
        began, text = time.monotonic(), ""
        try:
            with self.client.stream("GET", path) as answer:
                for line in answer.iter_lines():
                    text += line + "\n"
                    if time.monotonic() - began > SECONDS:  # heartbeats come all the while
                        self.bad.append(f"{what}: no answer within {SECONDS} s")
                        return
        except httpx.RequestError as error:
            self.bad.append(f"{what}: {error!r}")
            return
        self.judge(what, 200, text, *hostile.OURS)
        failed = re.findall(
            r'^event: error\ndata: (.*)$|"output":(\{"error":.*?\}),"success":false', text, re.MULTILINE
        )
        for error in map(json.loads, filter(None, sum(failed, ()))):
            sentence = error.get("error") if isinstance(error, dict) else error
            if not sentence:
                self.bad.append(f"{what}: an error without a sentence")
            self.sentences[
                re.sub(r"Value: .* is not in", "Value: … is not in", str(sentence), flags=re.DOTALL)[:70]
            ] += 1

    def paths(self, share: float = 1.0) -> None:
        """Every route of the app, with every traversal, or a share of them, in every place."""
        some = self._some(hostile.TRAVERSALS, share)
        for method, path in sorted(set(routes(self.demo.app))):
            names = re.findall(r"\{[^}]*\}", path)
            for bad in some if names else ("",):
                filled = path
                for name in names:
                    filled = filled.replace(name, bad)
                self.ask(method, filled, bad)
        for bad, route in product(some, ("file=", "file/", "proxy=", "call/v2/", "mcp/")):
            self.ask("GET", f"{API}/{route}{bad}", bad)
            self.ask("HEAD", f"{API}/{route}{bad}", bad)
        for bad, query in product(some, ("?deep_link=", "config?page=", f"{API}/upload_progress?x=")):
            self.ask("GET", f"{query}{bad}", bad)

    def bodies(self, share: float = 1.0) -> None:
        """Malformed bodies, or a share of them, to every route that takes one, and malformed headers."""
        posted = {path for method, path in routes(self.demo.app) if method == "POST"} | {f"/{API}/mcp/"}
        for path in sorted(posted):
            for kind, body in self._some(hostile.bodies(self.rng), share):
                filled = re.sub(r"\{[^}]*\}", self.rng.choice(["explain", "upload", "x"]), path)
                self.ask("POST", filled, content=body, headers={"Content-Type": kind.encode("latin-1")})
        for headers, path in product(
            HEADERS, ("", "config", f"{API}/info", f"{API}/file={self.uploaded}", "theme.css")
        ):
            self.ask("GET", path, headers={k: v.encode("latin-1") for k, v in headers.items()})

    def _some(self, what: Sequence[Any], share: float) -> Sequence[Any]:
        return self.rng.sample(what, round(share * len(what)))

    def events(self, n: int) -> None:
        """Random values for random events, the page's and the public ones, with a picture explained or not."""
        rng, public = self.rng, self.client.get(f"{API}/info").json()["named_endpoints"]
        able = {i: fn for i, fn in self.demo.fns.items() if fn.fn is not None}
        for turn in range(n):
            bad = [hostile.value(rng, self.uploaded) for _ in range(16)]
            if turn % 3 == 0:
                name, endpoint = rng.choice(sorted(public.items()))
                data = dict(zip((p["parameter_name"] for p in endpoint["parameters"]), bad, strict=False))
                kept = {k: v for k, v in data.items() if k in ("image", "raw_map") or rng.random() < 0.4}
                image = {k: {"path": self.uploaded, "meta": hostile.META} for k in kept if k == "image" and turn % 2}
                if rng.random() < 0.5:
                    self.call(name, "", {"data": list((data | image).values())[: rng.randint(1, 12)]})
                else:
                    self.call(name, "/v2", kept | image)
                continue
            index, fn = rng.choice(sorted(able.items()))
            data = [_fitting(block, self.uploaded) if rng.random() < 0.5 else bad.pop() for block in fn.inputs]
            data = data[: rng.choice([len(data)] * 9 + [0])] + bad[: rng.choice([0] * 9 + [2])]
            more = {"event_data": hostile.chosen(rng, self.uploaded), "trigger_id": rng.choice([None, 1, -1, 10**30])}
            # With a picture this event would take half a minute of the network.
            session = "bare" if "ask" in str(fn.api_name) else rng.choice(["seen", "bare", f"s{turn}"])
            self.event(index, data, session, batched=rng.random() < 0.05, **more)


def _fitting(block: Any, uploaded: str) -> Any:
    choices = getattr(block, "choices", None)
    if choices:
        return [choices[0][1]] * 2 if isinstance(block, gr.CheckboxGroup) else choices[0][1]
    return {"path": uploaded, "meta": hostile.META} if isinstance(block, gr.Image) else "x"


def main() -> None:
    """Start the app around a small network, attack it and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="random events")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    import app
    from dala import DALAResNet50, Explainer
    from dala.images.preprocessing import Preprocessing

    shipped = Explainer.load(device="cpu").model
    small = DALAResNet50(shipped.class_names, Preprocessing(height=96, width=128))
    small.load_state_dict(shipped.state_dict())
    demo = app.build(Explainer(small.eval(), device="cpu"))
    app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    began, attack = time.perf_counter(), Attack(demo, ROOT / "examples/phantom_malignant.png", args.seed)
    attack.paths()
    attack.bodies()
    attack.events(args.n)
    print(f"{sum(attack.status.values())} requests in {time.perf_counter() - began:.0f} s: {dict(attack.status)}")
    for sentence, times in attack.sentences.most_common():
        print(f"{times:6d}  {sentence}{'   <- unexpected' if sentence == UNFIT else ''}")
    print("\n".join(attack.bad), f"{len(attack.bad)} bad answers", sep="\n")
    demo.close()
    raise SystemExit(bool(attack.bad))


if __name__ == "__main__":
    main()
