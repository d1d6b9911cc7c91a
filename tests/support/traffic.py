"""The app in a process of its own, and what is moved between it and a browser."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page


@dataclass
class Server:
    """The app of a checkout in a process of its own."""

    pid: int
    url: str

    def resident(self) -> float:
        """Resident memory in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def busy(self, seconds: float = 1.0) -> float:
        """Cores in use over some seconds."""
        before = self._ticks()
        time.sleep(seconds)
        return (self._ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds

    def _ticks(self) -> int:
        told = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(told[11]) + int(told[12])


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Start a checkout's app as its README says, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="dala-cost-") as folder, Path(folder, "log").open("w") as log:
        environment = {
            **os.environ, "PYTHONPATH": str(root), "GRADIO_TEMP_DIR": str(Path(folder, "files")),
            "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "DALA_DEVICE": "cpu",
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, "app.py"], cwd=root, env=environment, stdout=log, stderr=log)
        try:
            server, until = Server(process.pid, f"http://127.0.0.1:{port}/"), time.monotonic() + 180
            while not _answers(server.url):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"The app in {root} does not start: {Path(log.name).read_text()[-500:]}")
                time.sleep(0.3)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status == 200
    except OSError:
        return False


class Relay:
    """Passes every connection on to a server and counts the bytes, both directions."""

    def __init__(self, server: Server) -> None:
        self.count, self._port = 0, int(server.url.rsplit(":", 1)[1].strip("/"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self) -> int:
        """Bytes since the last call."""
        moved, self.count = self.count, 0
        return moved

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(1 << 16):
                self.count += len(part)
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)


@dataclass
class Traffic:
    """Bytes of the answers by address, where they end: to see what is large."""

    by_url: Counter[str] = field(default_factory=Counter)
    urls: dict[str, str] = field(default_factory=dict)
    requests: int = 0

    def watch(self, page: Page) -> None:
        """Count from now on."""
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.loadingFinished", self._ended)

    def take(self) -> Counter[str]:
        """What was moved since the last call, by address."""
        moved, self.by_url, self.requests = self.by_url, Counter(), 0
        return moved

    def _sent(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        self.urls[event["requestId"]] = url
        self.requests += not url.startswith(("data:", "blob:"))

    def _ended(self, event: dict[str, Any]) -> None:
        self.by_url[self.urls.get(event["requestId"], "?")] += int(event["encodedDataLength"])
