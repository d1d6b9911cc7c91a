"""Memory that the process has freed goes back to the system."""

import ctypes
import ctypes.util
import gc
import sys
from functools import cache

__all__ = ["trim"]


@cache
def _libc() -> ctypes.CDLL | None:
    """The GNU C library; None elsewhere, where `malloc_trim` does not exist."""
    name = ctypes.util.find_library("c") if sys.platform == "linux" else None
    library = ctypes.CDLL(name) if name else None
    return library if hasattr(library, "malloc_trim") else None


def trim() -> None:
    """Give freed memory back; without effect but on Linux with the GNU C library.

    That library keeps freed blocks for later. After a pass of the network they are some 160 MB, which another program
    on the machine could use while this one is idle (tests/benchmarks/page_cost.py).
    """
    gc.collect()
    if library := _libc():
        library.malloc_trim(0)
