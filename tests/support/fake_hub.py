"""A small Hugging Face Hub on 127.0.0.1 that lists, resolves, redirects to a CDN and fails as the real one does."""

import hashlib
import json
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
    """A fault of requests whose path ends in `on`: of the first `times` of them, or of all.

    Args:
        status, code: an HTTP status, with the Hub's own error code as its header.
        headers: additional ones of the answer.
        on, method: end of the path, and method, of the requests; "API" is the method of the list of files.
        times: number of requests; None for all.
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
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def git_hash(content: bytes) -> str:
    """Return the hash of a content in git, and on the Hub for small files."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """Serve folders as repositories, and record the requests; a context manager.

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
        self.commit, self.requests, self.headers, self.closed = COMMIT, [], [], threading.Event()
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
                pass  # tests close connections on purpose

        return Server(("127.0.0.1", 0), Handler)

    def answer(self, request, body: bool) -> None:
        path = request.path.split("?")[0]
        if "/tree/" in path:
            return self.list_tree(request, path)
        if path.startswith(("/api/models/", "/api/datasets/")):
            return self.list_files(request, path)
        if path.startswith("/api/"):  # requested by the client once per process, and not part of a download
            return self.refuse(request, 404, "")
        self.requests.append((request.command, path))
        self.headers.append(dict(request.headers))
        place = path.removeprefix("/datasets").strip("/")
        owner, name, resolve, revision, file = (place.split("/", 4) + [""] * 5)[:5]
        repository = f"{owner}/{name}"
        fault = self.fault(repository, request.command, path)
        if self.fails(request, fault, repository if resolve == "resolve" else "", revision, body):
            return None
        served = self.repositories[repository] / unquote(file)
        if not served.is_file():
            return self.refuse(request, 404, "EntryNotFound")
        content = served.read_bytes()
        large = served.suffix == ".safetensors"
        digest = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        headers = {"X-Repo-Commit": self.commit, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if self.cdn and large:
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content)), "ETag": '"elsewhere"'}
            headers["Location"] = f"http://127.0.0.1:{self.cdn.server_address[1]}/{repository}/{digest}/{served.name}"
            return self.send(request, 302, headers, b"", body)
        self.send(request, 200, headers, content, body, fault)

    def fails(self, request, fault: Fault, repository: str, revision: str, body: bool) -> bool:
        """Answer a request that fails; return whether it did."""
        if fault.drips or fault.silent == -1:
            self.hang(request, fault.drips)
        elif fault.foreign:
            self.send(request, 200, {"Content-Type": "text/html"}, b"<html>Welcome to our network</html>", body)
        elif fault.status:
            self.refuse(request, fault.status, fault.code, fault.headers)
        elif repository not in self.repositories:
            self.refuse(request, 404, "RepoNotFound")
        elif unquote(revision) not in ("main", "of/you", self.commit):
            self.refuse(request, 404, "RevisionNotFound")
        else:
            return False
        return True

    def list_files(self, request, path: str) -> None:
        """Answer `HfApi.model_info` and `dataset_info`; faults reach it as method API."""
        self.requests.append(("API", path))
        self.headers.append(dict(request.headers))
        owner, name, _, revision = [*path.split("/", 3)[3].split("/", 3), "", "main"][:4]
        repository = f"{owner}/{name}"
        if self.fails(request, self.fault(repository, "API", path), repository, revision, True):
            return
        root = self.repositories[repository]
        files = [self.entry(root, file) for file in sorted(root.rglob("*")) if file.is_file()]
        reply = {"id": repository, "sha": self.commit, "private": False, "siblings": files}
        self.send(request, 200, {"Content-Type": "application/json"}, json.dumps(reply).encode(), True)

    def list_tree(self, request, path: str) -> None:
        """Answer `HfApi.list_repo_tree`, by which the client's file system learns the size of a file."""
        self.requests.append(("API", path))
        self.headers.append(dict(request.headers))
        root = self.repositories["/".join(path.split("/")[3:5])]
        files = [self.entry(root, file) for file in sorted(root.iterdir()) if file.is_file()]
        reply = [{"type": "file", "path": f["rfilename"], "size": f["size"], "oid": f["blobId"]} for f in files]
        self.send(request, 200, {"Content-Type": "application/json"}, json.dumps(reply).encode(), True)

    def entry(self, root: Path, file: Path) -> dict:
        entry = {"rfilename": file.relative_to(root).as_posix(), "size": file.stat().st_size}
        content = file.read_bytes()
        entry["blobId"] = git_hash(content)
        if file.suffix == ".safetensors":
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": digest, "size": entry["size"], "pointerSize": 130}
        return entry

    def deliver(self, request, body: bool) -> None:
        self.requests.append((request.command, f"cdn{request.path}"))
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
        reason = {"X-Error-Code": code, "X-Repo-Commit": self.commit} if code else {}
        self.send(request, status, {**reason, **(headers or {})}, b"", False)

    def send(self, request, status, headers, content, body, fault=None) -> None:
        fault, first, length = fault or Fault(), 0, len(content)
        wanted = request.headers.get("Range", "")
        if wanted and self.resumes and status == 200:
            start, _, last = wanted.removeprefix("bytes=").partition("-")
            first, status = int(start), 206
            content = content[: int(last) + 1] if last else content
            headers = {**headers, "Content-Range": f"bytes {first}-{len(content) - 1}/{length}"}
            length = len(content)
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
        """Return the paths of GET requests."""
        return [path for method, path in self.requests if method == "GET"]

    def __enter__(self) -> "Hub":
        for server in filter(None, (self.server, self.cdn)):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closed.set()
        for server in filter(None, (self.server, self.cdn)):
            server.shutdown()
            server.server_close()
