"""A small Hugging Face Hub on 127.0.0.1 that receives commits from the real client and stores them as folders."""

import base64
import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class ReceivingHub:
    """Receive repositories, variables and commits; a context manager.

    Args:
        root: folder for the commits, as `models/user/name` and `spaces/user/name`.
        refuse: HTTP status of every answer.
        public: ids of repositories that exist and are public.
    """

    def __init__(self, root: Path, refuse: int | None = None, public: tuple[str, ...] = ()) -> None:
        self.root, self.refuse, self.public = root, refuse, public
        self.requests, self.sent, self.tokens = [], {}, {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                hub.answer(self)

            def do_POST(self):
                hub.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        path = request.path.split("?")[0]
        self.requests.append((request.command, path))
        self.tokens[path] = request.headers.get("Authorization")
        status, reply = (self.refuse, {"error": "refused"}) if self.refuse else self.reply(path, body)
        content = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
        request.send_response(status)
        request.send_header("Content-Type", "text/plain" if isinstance(reply, str) else "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def reply(self, path: str, body: bytes):
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            self.sent["create"] = request = json.loads(body)
            name = f"{request['organization']}/{request['name']}"
            place = f"{self.url}/{'spaces/' if request.get('type') == 'space' else ''}{name}"
            return (409 if name in self.public else 200), {"url": place}
        if path == "/api/validate-yaml":
            return self.validated(json.loads(body))
        kind, name, *action = parts[1], "/".join(parts[2:4]), *parts[4:]
        if not action:
            return 200, {"id": name, "sha": COMMIT, "private": name not in self.public, "siblings": []}
        if action[0] == "variables":
            self.sent.setdefault("variables", []).append(json.loads(body))
            return 200, {}
        if action[0] == "tree":
            return 200, []
        if action[0] == "preupload":
            files = json.loads(body)["files"]
            return 200, {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
        if action[0] == "commit":
            self.keep(self.root / kind / name, [json.loads(line) for line in body.splitlines()])
            return 200, {"commitUrl": f"{self.url}/{name}/commit/{COMMIT}", "commitOid": COMMIT}
        return 404, {"error": path}

    def validated(self, card: dict):
        """Check one of the rules of the Hub's validator, with its message."""
        colours = re.findall(r"^(color\w+): (.*)$", card["content"], re.M) if card["repoType"] == "space" else []
        for key, colour in colours:
            if colour not in COLOURS:
                return 400, f'- Error: "{key}" must be one of [{", ".join(COLOURS)}]'
        return 200, {"errors": [], "warnings": []}

    def keep(self, folder: Path, lines: list[dict]) -> None:
        for line in lines:
            if line["key"] == "file":
                file = folder / line["value"]["path"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(base64.b64decode(line["value"]["content"]))
            else:
                self.sent[line["key"]] = line["value"]

    def __enter__(self) -> "ReceivingHub":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()


class Recorder:
    """The Hub's client as far as it is used; keeps the calls, and a copy of what was sent."""

    endpoint = "https://huggingface.co"

    def __init__(self, kept: Path, private: bool = True) -> None:
        self.kept, self.private, self.calls = kept, private, []

    def create_repo(self, *args, **kwargs):
        self.calls.append(("create_repo", args, kwargs))

    def repo_info(self, *args, **kwargs):
        self.calls.append(("repo_info", args, kwargs))
        return SimpleNamespace(private=self.private)

    def add_space_variable(self, *args, **kwargs):
        self.calls.append(("add_space_variable", args, kwargs))

    def upload_folder(self, **kwargs):
        shutil.copytree(kwargs.pop("folder_path"), self.kept)
        self.calls.append(("upload_folder", (), kwargs))
        return SimpleNamespace(commit_url=f"https://huggingface.co/{kwargs['repo_id']}/commit/{COMMIT}", oid=COMMIT)
