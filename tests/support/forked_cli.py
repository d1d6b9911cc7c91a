"""Real processes of the command line without the time of importing: one process imports, and forks for each command.

python tests/support/forked_cli.py        (controlled by `Warm` through its standard input and output)
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("torch", "matplotlib.figure", *(f"dala.commands.{name}" for name in (
    "explain", "train", "phantom", "compare", "trust", "evaluate_explanations"
)), "dala.explain.explainer", "dala.explain.folder", "dala.explain.export")  # fmt: skip


@dataclass
class Ended:
    """The result of a command: exit code, negative for a signal, and its two streams."""

    code: int
    out: str
    err: str


class Warm:
    """Run commands one after the other, each in its own process and process group; a context manager.

    Args:
        place: folder for the commands' output.
        environment: of all commands, in addition to this process's own.
    """

    def __init__(self, place: Path, **environment: str) -> None:
        self.place, self.count, self.pid = place, 0, 0
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: object, room: int | None = None, kills: bool = False) -> int:
        """Start a command; return its process id. After `room` bytes in a file, writing fails, or kills if `kills`."""
        self.count += 1
        for name in ("out", "err"):  # the command may be killed before it opens them
            self._stream(name).touch()
        job = {"arguments": [str(a) for a in arguments], "to": str(self._stream("")), "room": room, "kills": kills}
        self._send(job)
        self.pid = int(self._receive())
        return self.pid

    def wait(self) -> Ended:
        """Wait for the end of the command that was started."""
        code = int(self._receive())
        return Ended(code, self._stream("out").read_text(), self._stream("err").read_text())

    def run(self, *arguments: object, **options: object) -> Ended:
        """Start a command and wait for its end."""
        self.start(*arguments, **options)
        return self.wait()

    def kill(self, number: int = signal.SIGKILL) -> Ended:
        """Send a signal to the command's process group, as a terminal does, and wait for its end."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        return self.wait()

    def kill_when(self, there, number: int = signal.SIGKILL, seconds: float = 100) -> Ended:
        """As `kill`, once `there()` is true or the command has ended."""
        until = time.monotonic() + seconds
        while not there() and time.monotonic() < until and self.alive():
            time.sleep(0.002)
        return self.kill(number)

    def alive(self) -> bool:
        """Return whether the command is running."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def _stream(self, name: str) -> Path:
        return self.place / f"{self.count}.{name}"

    def _send(self, job: dict) -> None:
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def _receive(self) -> str:
        return self.process.stdout.readline()

    def __enter__(self) -> "Warm":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait(30)


def _serve() -> None:
    for name in MODULES:
        import_module(name)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _execute(job)
        with suppress(OSError):  # the child may have done so itself, or have ended
            os.setpgid(pid, pid)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _execute(job: dict) -> None:
    """Run the command in this process, and exit."""
    from dala.cli import main

    os.setpgid(0, 0)
    for stream, name in ((0, os.devnull), (1, job["to"] + "out"), (2, job["to"] + "err")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644), stream)
    if job["room"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if job["kills"] else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["room"], resource.RLIM_INFINITY))
    code = 1
    try:
        code = main(job["arguments"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
