"""A small Hugging Face Hub on 127.0.0.1: it resolves, redirects to a CDN and fails as the real one does, over HTTP."""

import hashlib
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """What goes wrong with requests whose path ends in `on`: the first `times` of them, or all.

    Args:
        status, code: an HTTP status, with the Hub's own error code as its header.
        headers: sent besides.
        on, method: of which requests.
        times: of how many; None for all.
        cut: bytes of the body after which the connection closes.
        rate: bytes of the body a second.
        silent: bytes of the body after which nothing more comes, and the connection stays; -1: not even a status line.
        drips: a status line, letter by letter, that never ends.
        content: sent instead of the file's, under the file's ETag.
        foreign: answers as a server that is no Hub.
    """

    status: int | None = None
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    on: str = ""
    method: str = ""
    times: int | None = None
    cut: int | None = None
    rate: int | None = None
    silent: int | None = None
    drips: bool = False
    content: bytes | None = None
    foreign: bool = False


def point(monkeypatch, url: str, cache: Path) -> None:
    """Let the client of this process, which reads its environment once, use another Hub and another cache."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


def closed_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Hub:
    """Serves folders as repositories; keeps what was asked. Use as a context manager.

    Args:
        repositories: folder by repository id.
        faults: by repository id.
        cdn: whether large files are redirected to a host of their own, as LFS files are.
        resumes: whether ranges are served.
    """

    def __init__(
        self,
        repositories: dict[str, Path],
        faults: dict[str, Fault] | None = None,
        *,
        cdn: bool = False,
        resumes: bool = True,
    ) -> None:
        self.repositories, self.faults, self.resumes = repositories, faults or {}, resumes
        self.commit, self.asked, self.headers, self.closed = COMMIT, [], [], threading.Event()
        self.server, self.cdn = self.listen(self.answer), self.listen(self.deliver) if cdn else None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def listen(self, answer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                answer(self, False)

            def do_GET(self):
                answer(self, True)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # clients that go away are part of the tests

        return Server(("127.0.0.1", 0), Handler)

    def answer(self, request, body: bool) -> None:
        path = request.path.split("?")[0]
        if path.startswith("/api/"):  # what the client wants to know once a process is no part of a download
            return self.refuse(request, 404, "")
        self.asked.append((request.command, path))
        self.headers.append(dict(request.headers))
        owner, name, resolve, revision, file = (path.strip("/").split("/", 4) + [""] * 5)[:5]
        repository = f"{owner}/{name}"
        fault = self.fault(repository, request.command, path)
        if fault.drips or fault.silent == -1:
            return self.hang(request, fault.drips)
        if fault.foreign:
            return self.send(request, 200, {"Content-Type": "text/html"}, b"<html>Welcome to our network</html>", body)
        if fault.status:
            return self.refuse(request, fault.status, fault.code, fault.headers)
        if repository not in self.repositories or resolve != "resolve":
            return self.refuse(request, 404, "RepoNotFound")
        if unquote(revision) not in ("main", "of/you", self.commit):
            return self.refuse(request, 404, "RevisionNotFound")
        found = self.repositories[repository] / unquote(file)
        if not found.is_file():
            return self.refuse(request, 404, "EntryNotFound")
        content = found.read_bytes()
        large = found.suffix == ".safetensors"
        digest = hashlib.sha256(content).hexdigest() if large else hashlib.sha1(content).hexdigest()
        headers = {"X-Repo-Commit": self.commit, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if self.cdn and large:
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content)), "ETag": '"elsewhere"'}
            headers["Location"] = f"http://127.0.0.1:{self.cdn.server_address[1]}/{repository}/{digest}/{found.name}"
            return self.send(request, 302, headers, b"", body)
        self.send(request, 200, headers, content, body, fault)

    def deliver(self, request, body: bool) -> None:
        self.asked.append((request.command, f"cdn{request.path}"))
        self.headers.append(dict(request.headers))
        owner, name, _, file = request.path.strip("/").split("/")
        fault = self.fault(f"{owner}/{name}", request.command, request.path)
        content = (self.repositories[f"{owner}/{name}"] / file).read_bytes()
        self.send(request, 200, {"ETag": '"of-the-cdn"', "Accept-Ranges": "bytes"}, content, body, fault)

    def fault(self, repository: str, method: str, path: str) -> Fault:
        fault = self.faults.get(repository, Fault())
        if not path.endswith(fault.on) or fault.method not in ("", method) or fault.times == 0:
            return Fault()
        redirected = self.cdn and path.endswith(".safetensors") and "/resolve/" in path
        if fault.times is not None and (fault.status or (method == "GET" and not redirected)):
            fault.times -= 1
        return fault

    def hang(self, request, drips: bool) -> None:
        request.close_connection = True
        if drips:
            request.wfile.write(b"HTTP/1.1 200 ")
        while not self.closed.wait(0.1):
            request.wfile.write(b"O" * drips)

    def refuse(self, request, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        told = {"X-Error-Code": code, "X-Repo-Commit": self.commit} if code else {}
        self.send(request, status, {**told, **(headers or {})}, b"", False)

    def send(self, request, status, headers, content, body, fault=None) -> None:
        fault, first, length = fault or Fault(), 0, len(content)
        wanted = request.headers.get("Range", "")
        if wanted and self.resumes and status == 200:
            first, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
            headers = {**headers, "Content-Range": f"bytes {first}-{length - 1}/{length}"}
        if fault.content is not None:
            content = fault.content
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content) - first)}.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            self.write(request, content[first:], fault)

    def write(self, request, content: bytes, fault: Fault) -> None:
        stop = min(n for n in (fault.cut, fault.silent, len(content)) if n is not None)
        if fault.rate is None:
            request.wfile.write(content[:stop])
        for start in range(0, stop, max(1, (fault.rate or stop) // 10)) if fault.rate else ():
            request.wfile.write(content[start : min(stop, start + max(1, fault.rate // 10))])
            time.sleep(0.1)
        if fault.silent is not None:
            self.closed.wait()
        request.close_connection = request.close_connection or stop < len(content)

    def gets(self) -> list[str]:
        """Paths of the bodies that were asked for."""
        return [path for method, path in self.asked if method == "GET"]

    def __enter__(self) -> "Hub":
        for server in filter(None, (self.server, self.cdn)):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closed.set()
        for server in filter(None, (self.server, self.cdn)):
            server.shutdown()
            server.server_close()
