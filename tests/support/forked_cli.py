"""Real processes of the command line, without the seconds that importing takes: one imports, and forks for each.

python tests/support/forked_cli.py        (spoken to by `Warm`, over its standard input and output)
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
    """What a command left: its exit code, negative for a signal, and its two streams."""

    code: int
    out: str
    err: str


class Warm:
    """Runs commands one after the other, each in a process and a process group of its own. Use as a context manager.

    Args:
        place: folder for what the commands print.
        environment: of all commands, besides this process's own.
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
        """Start a command; its process. `room`: bytes that a file may have, beyond which writing fails, or `kills`."""
        self.count += 1
        for name in ("out", "err"):  # it may be killed before it has them
            self._stream(name).touch()
        job = {"arguments": [str(a) for a in arguments], "to": str(self._stream("")), "room": room, "kills": kills}
        self._say(job)
        self.pid = int(self._hear())
        return self.pid

    def wait(self) -> Ended:
        """What became of the command that was started."""
        code = int(self._hear())
        return Ended(code, self._stream("out").read_text(), self._stream("err").read_text())

    def run(self, *arguments: object, **options: object) -> Ended:
        """Start a command and wait for its end."""
        self.start(*arguments, **options)
        return self.wait()

    def kill(self, number: int = signal.SIGKILL) -> Ended:
        """Send a signal to the command and to what it started, as a terminal does; what became of it."""
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
        """Whether the command runs; once it has ended it waits for nobody."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def _stream(self, name: str) -> Path:
        return self.place / f"{self.count}.{name}"

    def _say(self, job: dict) -> None:
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def _hear(self) -> str:
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
            _become(job)
        with suppress(OSError):  # it may have done so itself, and even ended
            os.setpgid(pid, pid)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _become(job: dict) -> None:
    """Be the command, to its end."""
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
