"""Feature maps (N, C, h, w) from whatever a network's features return, and back to what its head takes.

Networks return feature maps, maps with the channels last, or tokens of a grid with class and register tokens before
them; as a tensor, or as the one map in a list, a tuple, a dictionary or an object.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dala.explain.question import ExplainError

__all__ = ["Form", "entries", "formed", "shapes"]

HERE = "last_hidden_state"  # the feature maps among several tensors, as Transformers name them
MOST_PREFIX = 8  # class and register tokens before those of the grid
END = "let it end where it returns feature maps (N, C, h, w)"


@dataclass(frozen=True, eq=False)
class Form:
    """What features look like to the network's head.

    Attributes:
        images: number N of images.
        axes: "maps" (N, C, h, w), "last" (N, h, w, C) or "tokens" (N, L, C).
        dtype: of the tensor that the head takes.
        prefix: (N, P, C), the tokens before those of the grid; None but for tokens.
        container: what holds the tensor; None for the tensor itself.
        key: where it is there.
    """

    images: int
    axes: str
    dtype: torch.dtype
    prefix: Tensor | None = None
    container: Any = None
    key: Any = None

    def of(self, i: int) -> "Form":
        """The form of one image's features, which keeps no others alive."""
        row = slice(i, i + 1)
        container = self._with(lambda x: x[row].clone())
        return replace(
            self, images=1, prefix=None if self.prefix is None else self.prefix[row].clone(), container=container
        )

    def to(self, device: torch.device) -> "Form":
        """The same with its tensors on another device."""
        prefix = None if self.prefix is None else self.prefix.to(device)
        return replace(self, prefix=prefix, container=self._with(lambda x: x.to(device)))

    def restored(self, maps: Tensor) -> Any:
        """Feature maps (N, C, h, w) -> what the head takes: a copy, which it may change in place.

        Args:
            maps: of the images; of a single image any number of variants.
        """
        x = maps.to(self.dtype)
        if self.axes == "last":
            x = x.permute(0, 2, 3, 1).contiguous()
        if self.prefix is not None:
            prefix = self.prefix.to(x).expand(len(x), -1, -1)
            x = torch.cat([prefix, x.flatten(2).transpose(1, 2)], 1)
        x = x.clone()
        if self.container is None:
            return x
        variants = 1 if self.images > 1 else len(x)
        return _replaced(self._with(lambda t: torch.cat([t] * variants)), self.key, x)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Any:
        """The container with a change of its tensors for each image, other than the features, which are left out."""
        container = self.container if self.container is None else _replaced(self.container, self.key, None)
        for key, value in entries(container).items():
            if isinstance(value, Tensor) and value.ndim and len(value) == self.images:
                container = _replaced(container, key, change(value))
        return container


def formed(output: Any, images: int, size: tuple[int, int]) -> tuple[Tensor, Form]:
    """Feature maps (N, C, h, w) float32, sharing no memory with `output`, and their form.

    Args:
        output: of the network's features for `images` images.
        size: (height, width) of the images.

    Raises:
        ExplainError: no feature maps, or it is not plain which tensor holds them, or which axes are which.
    """
    container, key, x = _found(output)
    if not x.is_floating_point() or x.layout != torch.strided or x.is_quantized:
        raise ExplainError(
            f"features returns {str(x.dtype).removeprefix('torch.')} values, not floating-point numbers: {END}."
        )
    if x.ndim not in (3, 4) or len(x) != images or not x.numel():
        kind = ", pooled," if x.ndim == 2 and len(x) == images else ""
        given = _pixels(size) if images == 1 else f"{images} pictures"
        raise ExplainError(f"features returns {tuple(x.shape)}{kind} for {given}: {END}.")
    axes, maps, prefix = _of_maps(x, size) if x.ndim == 4 else _of_tokens(x, size)
    if maps.shape[2] * maps.shape[3] == 1:
        raise ExplainError(
            f"features returns one position for {_pixels(size)}, so there is no map: {END} before they are pooled, or "
            "use larger pictures."
        )
    form = Form(images, axes, x.dtype, None if prefix is None else prefix.clone(), container, key)
    # float() and contiguous() may return the tensor itself.
    return (maps.float() if axes == "maps" else maps.float().contiguous()).clone(), form.to(x.device)


def entries(output: Any) -> dict[Any, Any]:
    """The parts of a dictionary, list, tuple, named tuple or plain object by key; empty for anything else."""
    if isinstance(output, Mapping):
        return dict(output)
    if hasattr(output, "_asdict"):
        return output._asdict()
    if isinstance(output, list | tuple):
        return dict(enumerate(output))
    if output is None or isinstance(output, Tensor | type) or callable(output):
        return {}
    return dict(getattr(output, "__dict__", {}))


def shapes(parts: Mapping[Any, Any]) -> str:
    """Keys and shapes of tensors, as part of a sentence."""
    named = [f"{key!r} {tuple(value.shape)}" for key, value in parts.items()]
    return ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")


def _found(output: Any) -> tuple[Any, Any, Tensor]:
    """Container, key and tensor of the feature maps."""
    if isinstance(output, Tensor):
        return None, None, output
    tensors = {key: value for key, value in entries(output).items() if isinstance(value, Tensor)}
    maps = {key: value for key, value in tensors.items() if value.ndim in (3, 4)} or tensors
    if HERE in maps:
        return output, HERE, maps[HERE]
    if len(maps) == 1:
        return output, *next(iter(maps.items()))
    if not maps:
        raise ExplainError(f"features returns no tensor but a {type(output).__name__}: {END}.")
    raise ExplainError(f"features returns {len(maps)} tensors, {shapes(maps)}: let it return the one to be explained.")


def _of_maps(x: Tensor, size: tuple[int, int]) -> tuple[str, Tensor, None]:
    """Feature maps with the channels first; or last, if only so the grid has the picture's shape."""
    _, a, b, c = x.shape
    first, last = (b, c), (a, b)
    grids = set(_grids(size))
    if first not in grids and (last in grids or (_alike(last, size) and not _alike(first, size))):
        return "last", x.permute(0, 3, 1, 2), None
    if first in grids or _alike(first, size) or (b <= size[0] and c <= size[1]):
        return "maps", x, None
    raise ExplainError(f"features returns {tuple(x.shape)} for {_pixels(size)}, which is no grid of this shape: {END}.")


def _of_tokens(x: Tensor, size: tuple[int, int]) -> tuple[str, Tensor, Tensor]:
    length = x.shape[1]
    grids = {(h, w) for h, w in _grids(size) if 0 <= length - h * w <= MOST_PREFIX}
    if not grids:
        raise ExplainError(
            f"features returns {tuple(x.shape)} for {_pixels(size)}, and {length} are not the tokens of a grid of this "
            "shape: reshape them in features to feature maps (N, C, h, w)."
        )
    h, w = max(grids, key=lambda grid: grid[0] * grid[1])
    prefix = length - h * w
    return "tokens", x[:, prefix:].transpose(1, 2).reshape(len(x), -1, h, w), x[:, :prefix]


def _grids(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Grids (h, w) of a picture cut into square patches: what is left at the edges is dropped or padded."""
    for side in range(1, min(size) + 1):
        yield size[0] // side, size[1] // side
        yield -(-size[0] // side), -(-size[1] // side)


def _alike(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether a grid has the shape of a picture, but for one cell a side."""
    h, w = grid
    return abs(math.log(h * size[1] / (w * size[0]))) <= 1 / h + 1 / w


def _replaced(container: Any, key: Any, value: Any) -> Any:
    """A shallow copy with another value at a key."""
    if hasattr(container, "_replace"):
        return container._replace(**{key: value})
    if isinstance(container, tuple):
        return type(container)([*container[:key], value, *container[key + 1 :]])
    if is_dataclass(container) and not isinstance(container, Mapping):
        return replace(container, **{key: value})  # type: ignore[type-var]
    result = copy.copy(container)
    if isinstance(container, Mapping | list):
        result[key] = value
    else:
        setattr(result, key, value)
    return result


def _pixels(size: tuple[int, int]) -> str:
    return f"a picture of {size[1]}x{size[0]} px"
