"""Hostile requests against the running app; `tests/fuzz/requests.py` makes many more of them."""

import asyncio
import json
import os
import socket
import time
from pathlib import Path
from threading import Thread

import gradio as gr
import httpx
import pytest
import safehttpx
from gradio.utils import get_upload_folder

from dala.ui.server import guard
from dala.ui.server.blocks import UNFIT
from tests.fuzz import hostile
from tests.fuzz.requests import Attack, routes
from tests.support.clients import FILE, ask

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def visitor(served):
    with httpx.Client(base_url=served.local_url, timeout=60) as client:
        yield client


def post(visitor, path, body):
    return visitor.post(f"gradio_api/{path}", content=body, headers=JSON)


def event(visitor, served, name, session, data=(), **more):
    """Send one of the page's own events; return its last message."""
    index, fn = next((i, f) for i, f in served.fns.items() if f.api_name == name)
    data = [*data, *([] if isinstance(b, gr.CheckboxGroup) else None for b in fn.inputs[len(data) :])]
    body = {"fn_index": index, "session_hash": session, "data": data, **more}
    post(visitor, "queue/join", json.dumps(body))
    stream = visitor.get("gradio_api/queue/data", params={"session_hash": session}).text
    return next(json.loads(line[6:]) for line in stream.splitlines() if "process_completed" in line)


def uploaded(visitor, file, name="patch.png"):
    return visitor.post("gradio_api/upload", files={"files": (name, file.read_bytes())}).json()[0]


def begun(served, content=b"", length=10**6):
    """An upload that has sent its head and a little of its file."""
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="slow.png"\r\n\r\n'
    line = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {served.server_name}\r\nContent-Length: {length}\r\n"
    connection = socket.create_connection((served.server_name, served.server_port), timeout=30)
    connection.sendall(line.encode() + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + head + content)
    return connection


def test_random_requests(served, patch_file):
    attack = Attack(served, patch_file, seed=1)
    attack.events(60)
    assert attack.bad == []
    assert sum(attack.sentences.values()) > 20


def test_traversals_and_malformed_bodies_on_every_route(served, patch_file):
    attack = Attack(served, patch_file, seed=2)
    attack.paths(share=0.2)
    attack.bodies(share=0.2)
    assert attack.bad == []
    assert attack.status["404"] > 100


def test_no_route_is_open_that_the_page_does_not_need(served):
    paths = {path for _, path in routes(served.app)}
    assert len(paths) > 60
    assert {path for path in paths if guard.OPEN.fullmatch(path)} == {
        "/", "/config", "/config/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json",
        "/static/{path:path}", "/assets/{path:path}", "/svelte/{path:path}",
        *(f"/gradio_api/{path}" for path in (
            "info", "info/", "openapi.json", "app_id", "app_id/", "startup-events", "theme.css", "upload",
            "upload_progress", "cancel", "reset", "reset/", "queue/join", "queue/data", "queue/status",
            "call/{api_name}", "call/{api_name}/", "call/{api_name}/{event_id}", "call/v2/{api_name}",
            "call/v2/{api_name}/", "call/v2/{api_name}/{event_id}", "heartbeat/{session_hash}",
            "file={path_or_url:path}",
        )),
        *(path for path in paths if path.startswith("/gradio_api/mcp")),
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/config", "/dala/config", "/dala", "/"])
def test_under_a_proxys_path(path):
    reached = []

    async def app(scope, receive, send):
        reached.append(scope["path"])

    asyncio.run(guard.Guard(app)({"type": "http", "path": path, "root_path": "/dala", "headers": []}, None, None))
    assert reached == [path]


@pytest.mark.parametrize(
    "path", ["run/explain", "api/explain", "process_recording", "component_server", "vibe-edit", "stream/x", "login"]
)
def test_gradios_other_routes_are_closed(visitor, path):
    answer = post(visitor, path, b'{"data": []}')
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such page."})


def test_no_address_is_fetched_in_a_files_place(visitor, elsewhere, monkeypatch):
    async def trusted(_):
        return "127.0.0.1"

    # Gradio refuses private addresses by itself; a public one it would fetch and hand out.
    monkeypatch.setattr(safehttpx, "async_validate_url", trusted)
    address, reached = elsewhere
    for route in ("file=", "file/", "proxy="):
        assert visitor.get(f"gradio_api/{route}{address}/x.png").status_code in (403, 404)
    assert reached == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("queue/join", b'{"data": [], "fn_index": 999, "session_hash": "a"}'),
        ("queue/join", b'{"data": [], "fn_index": -1, "session_hash": "a"}'),
        ("queue/join", b'{"data": NaN}'),
        ("queue/join", b'{"data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
        ("call/nothing", b'{"data": []}'),
        ("call/v2/nothing", b"{}"),
        ("call/v2/explain", b'{"magic": 1}'),
        ("call/explain", b"\xff\xfe"),
        ("call/explain", b"null"),
        ("cancel", b'{"session_hash": [], "fn_index": 1e400, "event_id": 3}'),
    ],
)
def test_a_malformed_request_gets_a_sentence(visitor, path, body):
    answer = post(visitor, path, body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "part",
    [
        b'name="files"',
        b'name="files"; filename=".."',
        b'filename="x.png"',
        b'name="files"; filename="' + b"a" * 9000 + b'"',
    ],
)
def test_a_malformed_upload_is_refused(visitor, part):
    content = b"--x\r\nContent-Disposition: form-data; " + part + b"\r\n\r\nhi\r\n--x--"
    for query in ("", "?upload_id=x"):
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert visitor.post(f"gradio_api/upload{query}", content=content, headers=kind).status_code in (400, 413)


def test_a_body_too_long_for_any_picture_is_refused_before_its_end(visitor):
    def endless():
        for _ in range(100):
            yield b"x" * 2**20

    for body in (b"x" * (guard.MOST_BYTES + 1), endless()):
        answer = post(visitor, "call/explain", body)
        assert answer.status_code == 413
        assert answer.json()["detail"].startswith("A picture may have 20 MB, and this request is longer")
    assert visitor.post("gradio_api/upload", files={"files": b"x" * (21 * 2**20)}).status_code == 413


def test_millions_of_values_delay_no_other_request(visitor, served):
    body = b'{"data": [[' + b"[]," * 3_000_000 + b"1]]}"
    waited = []

    def look():
        with httpx.Client(base_url=served.local_url, timeout=60) as other:
            for _ in range(20):
                began = time.perf_counter()
                other.get("gradio_api/app_id")
                waited.append(time.perf_counter() - began)
                time.sleep(0.05)

    thread = Thread(target=look)
    thread.start()
    answer = post(visitor, "call/threshold", body)
    thread.join()
    assert answer.status_code == 413
    assert "send a raw map as NPZ" in answer.json()["detail"]
    assert max(waited) < 3
    rows = [[1.0] * 300] * 300
    assert ask(served.local_url, "threshold", rows)[0] == "complete"


def test_a_slow_upload_blocks_nobody_and_ends(served, visitor, patch_file, monkeypatch):
    with begun(served, b"x") as slow:
        picture = {"path": uploaded(visitor, patch_file), **FILE}
        assert ask(served.local_url, "explain", picture)[0] == "complete"
        slow.sendall(b"y")
    monkeypatch.setattr(guard, "SECONDS", 1)
    with begun(served, b"x") as slow:
        assert b" 408 " in slow.recv(4096).splitlines()[0]


def test_an_aborted_upload_is_deleted_from_the_disk(served, visitor, patch_file):
    def unfinished():
        return {file for file in Path(get_upload_folder()).iterdir() if file.is_file()}

    before = unfinished()
    with begun(served, b"x" * 10_000):
        while not (left := unfinished() - before):
            time.sleep(0.05)
    (file,) = left
    uploaded(visitor, patch_file)
    assert file.exists()  # it might still be written
    os.utime(file, (time.time() - 4000,) * 2)
    kept = uploaded(visitor, patch_file)
    assert not file.exists()
    assert Path(kept).is_file()


def test_an_event_without_a_session_blocks_no_other(served, visitor):
    # Gradio sends all who wait their positions: it failed at the event without a session, and so at the next one.
    for _ in range(3):
        answer = post(visitor, "call/threshold", b'{"data": [[[1, 2]]], "session_hash": ""}')
        assert answer.is_success
    assert ask(served.local_url, "threshold", [[1, 2]])[0] == "complete"


def test_one_clients_host_header_is_shown_to_no_other(served, visitor):
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    paths = (
        "gradio_api/info",
        "gradio_api/info?page=x",
        "gradio_api/info?all_endpoints=True",
        "config",
        "",
        "theme.css",
    )
    paths += ("gradio_api/openapi.json", "manifest.json")
    for path in paths:
        visitor.get(path, headers=evil)
    post(visitor, "call/v2/explain", b"{}")
    for path in paths:
        assert "evil.example" not in visitor.get(path).text, path


@pytest.mark.parametrize("host", ["a b", "<script>", "x\x7f", "h:99999999", "[::1", "a, <b>"])
def test_an_invalid_host_is_refused(visitor, host):
    for path in ("config", "gradio_api/info"):
        assert visitor.get(path, headers={"X-Forwarded-Host": host}).status_code == 400


def test_descriptions_of_the_app_leak_nothing_of_the_server(served, visitor):
    for path in (
        "",
        "config",
        "gradio_api/info?all_endpoints=True",
        "gradio_api/openapi.json",
        "theme.css",
        "monitoring",
    ):
        answer = visitor.get(path)
        assert hostile.leak(f"{answer.headers} {answer.text}") is None
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("startup-events", "app_id", "queue/status", "mcp/schema", "mcp/", "token", "user"):
        answer = visitor.get(f"gradio_api/{path}")
        assert hostile.leak(f"{answer.headers} {answer.text}") is None


def test_an_uploaded_page_is_sent_as_a_download(visitor, patch_file):
    for name, content in (("x.svg", b"<svg onload='alert(1)'/>"), ("x.html", b"<script>alert(1)</script>")):
        path = visitor.post("gradio_api/upload", files={"files": (name, content)}).json()[0]
        answer = visitor.get(f"gradio_api/file={path}")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Content-Type"] == "application/octet-stream"
    path = uploaded(visitor, patch_file)
    answer = visitor.get(f"gradio_api/file={path}", headers={"Range": "bytes=0-9", "X-Mine": "secret"})
    assert (answer.status_code, answer.content) == (200, patch_file.read_bytes())
    assert "X-Mine" not in answer.headers


@pytest.mark.parametrize("name", ["upload", "explain", "compare"])
def test_only_uploaded_files_are_opened(served, visitor, patch_file, name):
    inside, secret = uploaded(visitor, patch_file), patch_file.with_name("secret.png")
    secret.write_bytes(patch_file.read_bytes())
    link = Path(inside).with_name(f"link-{name}.png")
    link.symlink_to(secret)
    encoded = "data:image/png;base64,AAAA"
    for path in (
        str(secret),
        f"{inside}/../../../{secret}",
        str(link),
        f"file://{secret}",
        f"{encoded}",
        "\0",
        "a" * 5000,
    ):
        kinds = ({"path": path}, {"path": path, **FILE}, {"path": path, "url": inside, **FILE}, {"url": path, **FILE})
        nested = (
            {"image": {"path": path}},
            {"path": {"path": path}},
            {"path": None, "data": encoded},
            [{"path": path}],
        )
        for value in (*kinds, *nested, {"path": path, "is_stream": True, "orig_name": inside}):
            answer = event(visitor, served, name, "visitor-f", [value], simple_format=True)
            assert not answer["success"], value
            assert answer["output"]["error"].startswith(("The picture has to be uploaded", "There is no picture")), (
                value
            )
            assert str(secret.parent) not in str(answer)


def test_sessions_are_separate(served, visitor, patch_file, broken_file):
    mine = uploaded(visitor, patch_file, "mine of all.png")
    assert event(visitor, served, "upload", "visitor-a", [{"path": mine, **FILE}])["success"]
    look = {"rule": "otsu", "strength": None, "palette": "viridis", "opacity": 0.5, "look": "veil"}
    assert event(visitor, served, "download", "visitor-a", event_data=look)["success"]
    # State is taken from the session, not from what a request brings.
    for session in ("visitor-b", "visitor-A", "visitor", ""):
        other = event(visitor, served, "download", session or "-", [{"visitor": "a"}], event_data=look)
        assert not other["success"]
        assert "has expired" in other["output"]["error"]
    for path in ("", "config", "gradio_api/info", "gradio_api/queue/status", f"gradio_api/file={get_upload_folder()}"):
        text = visitor.get(path).text
        assert "mine of all" not in text
        assert "visitor-a" not in text
    # A client that has the name, a digest of the content and of a secret of the server, may read it, as with a link.
    guessed = Path(mine).parent.with_name("0" * 64) / "mine of all.png"
    assert visitor.get(f"gradio_api/file={guessed}").status_code == 403
    assert visitor.get(f"gradio_api/file={Path(mine).parent}").status_code == 403


def test_an_event_cannot_be_cancelled_by_another_session(served, visitor, patch_file):
    picture = {"path": uploaded(visitor, patch_file), **FILE}
    call = visitor.post("gradio_api/call/explain", json={"data": [picture], "session_hash": "visitor-c"}).json()
    index = next(i for i, f in served.fns.items() if f.api_name == "explain")
    for body in (
        {"session_hash": "visitor-d", "fn_index": index, "event_id": "0" * 32},
        {"session_hash": "visitor-c ", "fn_index": index, "event_id": call["event_id"][:-1]},
    ):
        visitor.post("gradio_api/cancel", json=body)
    assert "event: complete" in visitor.get(f"gradio_api/call/explain/{call['event_id']}").text


def test_an_unexpected_error_is_one_sentence(served, visitor):
    for more in ({"event_data": {"index": "x", "value": 1}}, {"event_data": None}, {"batched": True}):
        answer = event(visitor, served, "sample", "visitor-e", **more)
        assert answer["output"]["error"] == UNFIT
        assert hostile.leak(str(answer)) is None


def test_a_lone_surrogate_in_an_error_message(served, visitor):
    chosen = event(visitor, served, "choose", "visitor-g", [None, "\ud800"])
    assert "not in the list of choices" in chosen["output"]["error"]
    assert event(visitor, served, "clear", "visitor-g")["success"]
    answer = post(visitor, "call/explain", b'{"data": ["AAAA", "\\ud800"]}')
    assert answer.is_success
    stream = visitor.get(f"gradio_api/call/explain/{answer.json()['event_id']}").text
    assert "event: error" in stream
    assert "no class" in stream
