"""Write raw maps as NPZ, and read untrusted ones."""

import base64
import binascii
import io
import math
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from dala.errors import DalaError

__all__ = ["MAX_CELLS", "RawMapError", "from_text", "pack", "read"]

MAX_CELLS = 4_000_000


class RawMapError(DalaError):
    """Not a raw map; the message is one sentence for the user."""


def pack(maps: Mapping[str, Tensor]) -> bytes:
    """Pack raw maps (h, w) float32 by method as an NPZ that `numpy.load` reads."""
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: raw.numpy() for name, raw in maps.items()}
    np.savez(stream, **arrays)
    return stream.getvalue()


def read(source: bytes | list[Any], name: str | None = None) -> Tensor:
    """Read a raw map (h, w) as float32.

    Args:
        source: an NPZ as written by `pack` or `numpy.savez`, or rows of numbers.
        name: of the map, if the NPZ holds several.

    Raises:
        RawMapError: not a map: no NPZ, no such name, not two axes, over four million cells, a value that is negative or
            not finite in float32.
    """
    values = _from_npz(source, name) if isinstance(source, bytes) else _from_rows(source)
    with np.errstate(over="ignore"):
        raw = torch.from_numpy(values.astype(np.float32))
    if not raw.isfinite().all() or raw.min() < 0:
        raise RawMapError("A raw map must hold finite numbers of at least 0.")
    return raw


def from_text(text: str) -> bytes:
    """Decode the base64 text of an NPZ; RawMapError if it is not base64."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RawMapError("The raw map is neither the base64 text of an NPZ nor rows of numbers.") from error


def _from_rows(rows: list[Any]) -> np.ndarray:
    # One long string among the values would make NumPy reserve its length for each of them.
    strange = next((v for row in rows if isinstance(row, list) for v in row if isinstance(v, str | list)), None)
    if strange is not None:
        raise RawMapError(
            f"A raw map holds numbers, not {'text' if isinstance(strange, str) else 'lists'}, in its rows."
        )
    try:
        values = np.array(rows)
    except (ValueError, OverflowError) as error:  # rows of different lengths
        raise RawMapError("The rows of a raw map must be of equal length and hold numbers.") from error
    _check(values.shape, values.dtype)
    return values


def _from_npz(content: bytes, name: str | None) -> np.ndarray:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist()]
            some = ", ".join(names[:20])
            if name is None and len(names) != 1:
                raise RawMapError(f"The NPZ holds {len(names)} maps: name one of {some}.")
            if name is not None and name not in names:
                raise RawMapError(f"There is no map {name!r} in the NPZ: it holds {some}.")
            with archive.open(f"{name or names[0]}.npy") as member:
                return _read_npy(member)
    except RawMapError:
        raise
    # A damaged or hostile archive raises BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, ...
    except Exception as error:
        raise RawMapError("The raw map is not an NPZ as numpy.savez writes it.") from error


def _read_npy(member: IO[bytes]) -> np.ndarray:
    # Not `numpy.load`, which would reserve whatever size the header names.
    version = npy.read_magic(member)
    shape, by_column, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(member)
    _check(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    content = member.read(size)
    if len(content) != size:
        raise EOFError
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_column else "C")


def _check(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "iuf":
        raise RawMapError(f"A raw map holds numbers, not {dtype}.")
    if len(shape) != 2 or min(shape) < 1:
        raise RawMapError(f"A raw map has rows and columns, not the shape {tuple(shape)}.")
    if math.prod(shape) > MAX_CELLS:
        raise RawMapError(f"A raw map has at most {MAX_CELLS // 1_000_000} million cells.")
