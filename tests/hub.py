"""A small Hugging Face Hub on 127.0.0.1: resolve with ETag, size and commit headers, as the real one sends them."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves folders as repositories; counts what was asked. Use as a context manager.

    Args:
        repositories: folder by repository id.
        faults: HTTP status by repository id, answered with the Hub's own error code header.
    """

    def __init__(self, repositories: dict[str, Path], faults: dict[str, tuple[int, str]] | None = None) -> None:
        self.repositories, self.faults, self.asked = repositories, faults or {}, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        self.asked.append((request.command, request.path))
        owner, name, resolve, revision, file = (request.path.split("?")[0].strip("/").split("/", 4) + [""] * 5)[:5]
        repository = f"{owner}/{name}"
        if repository in self.faults:
            return self.refuse(request, *self.faults[repository])
        if repository not in self.repositories or resolve != "resolve":
            return self.refuse(request, 404, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self.refuse(request, 404, "RevisionNotFound")
        path = self.repositories[repository] / file
        if not path.is_file():
            return self.refuse(request, 404, "EntryNotFound")
        content = path.read_bytes()
        request.send_response(200)
        request.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if body:
            request.wfile.write(content)

    def refuse(self, request: BaseHTTPRequestHandler, status: int, code: str) -> None:
        request.send_response(status)
        request.send_header("X-Error-Code", code)
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
