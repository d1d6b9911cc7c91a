"""Full and read-only disks for tests: real ones where root can mount them, else limits of the process."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def mount(folder: Path, options: str) -> bool:
    """Mount a tmpfs; return whether that was allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() or not shutil.which("mount"):
        return False
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "dala-test", folder], capture_output=True).returncode
        == 0
    )


class Disk:
    """A small file system that `full()` fills; where none can be mounted, the size of files is limited instead.

    Attributes:
        root: a folder on it.
    """

    def __init__(self, root: Path, megabytes: int) -> None:
        self.root, self.mounted = root, mount(root, f"size={megabytes}m")

    @contextmanager
    def full(self, pid: int | None = None) -> Iterator[dict[str, int]]:
        """Prevent writing within the context, by a process or by commands that are started with the yielded options."""
        filler = self.root / "filler"
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE) if pid else None
        if self.mounted:
            with suppress(OSError), filler.open("wb", buffering=0) as stream:
                while True:
                    stream.write(bytes(4096))
        elif limits:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            yield {} if self.mounted else {"room": 1000}
        finally:
            filler.unlink(missing_ok=True)
            if limits:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    def remove(self) -> None:
        """Unmount the file system."""
        if self.mounted:
            subprocess.run(["umount", "-l", self.root], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[bool]:
    """Make a folder read-only, for root as well; yield whether that was possible."""
    mounted = mount(folder, "ro,size=64k")
    if not mounted:
        folder.chmod(0o555)
    try:
        yield mounted or os.geteuid() != 0
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        else:
            folder.chmod(0o755)
