"""What a network of one's own has to be: checks of it, each with a sentence that says what to do.

What it returns is checked where it is converted: `dala.explain.form`, `dala.explain.outputs`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.optim.swa_utils import AveragedModel

from dala.errors import DalaError
from dala.explain.question import ExplainError

__all__ = [
    "called", "check_modes", "checked_names", "differentiable", "filled", "finite", "outline", "placed", "temperature",
    "unwrapped", "without_own",
]  # fmt: skip

NEEDS = (
    "features= (from a picture to feature maps), head= (from there to logits) and class_names=; for a ResNet of "
    "torchvision features=nn.Sequential(*list(net.children())[:-2]), "
    "head=nn.Sequential(net.avgpool, nn.Flatten(), net.fc)"
)
ONE_SIZE = (
    " If the network takes pictures of one size only, ask for it: preprocessing=Preprocessing(224, 224, fixed=True)."
)
RANDOM = "The network gives the same picture another result each time: switch off what is random in it, as dropout."
CONSTANT = "features returns the same for a picture and for noise: let it compute feature maps from the picture."
BOUNDED = (
    "The head's outputs are probabilities: let it end before its softmax or sigmoid and return logits, or say "
    "probabilities=True (and multi_label=True for sigmoids)."
)
UNBOUNDED = "The head's outputs are logits, not limited to 0 to 1: leave out probabilities=True."
UNUSED = "The head does not use the feature maps: let it compute the logits from what features returns."
TOKENS = " If it reads the class token alone, let features end before the last block, and head start with it."


def unwrapped(model: nn.Module) -> nn.Module:
    """The network in torch.compile, DataParallel, DistributedDataParallel or AveragedModel; any other as it is."""
    while True:
        if isinstance(model, nn.DataParallel | DistributedDataParallel | AveragedModel):
            model = cast(nn.Module, model.module)
        elif not hasattr(model, "_orig_mod"):  # of torch.compile, whose class takes a second to import
            return model
        else:
            model = cast(nn.Module, model._orig_mod)


def without_own(**given: Any) -> None:
    """Raise ExplainError if a DALAResNet50 is given what only another network needs."""
    if names := [f"{name}=" for name, value in given.items() if value]:
        raise ExplainError(f"A DALAResNet50 has its own {' and '.join(names)}: leave that out.")


def checked_names(names: Any) -> tuple[str, ...]:
    """Class names in the order of the logits.

    Args:
        names: an ordered collection, {index: name} as in Transformers, or {name: index} as in torchvision.

    Raises:
        ExplainError: not different, printable names in an order.
    """
    if isinstance(names, Mapping):
        pairs = [(k, v) if isinstance(v, str) else (v, k) for k, v in names.items()]
        by_index = {int(i) if isinstance(i, str) and i.isdecimal() else i: name for i, name in pairs}
        if len(by_index) != len(pairs) or set(by_index) != set(range(len(pairs))):
            raise ExplainError(f"class_names must number the classes from 0, not be {str(names)[:200]}: give a list.")
        names = [by_index[i] for i in range(len(pairs))]
    if isinstance(names, set | frozenset) or not isinstance(names, Iterable):
        raise ExplainError(f"class_names must be a list in the order of the logits, not a {type(names).__name__}.")
    text, names = names, tuple(names)
    wrong = [name for name in names if not isinstance(name, str) or not name.strip() or not name.isprintable()]
    if wrong or not names:
        raise ExplainError(f"class_names must be a name in one line for each class, not {str(wrong or names)[:200]}.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated and isinstance(text, str):
        raise ExplainError(f"class_names is the text {text[:100]!r}, each letter a class: give a list of names.")
    if repeated:
        raise ExplainError(
            f"class_names repeats {', '.join(map(repr, repeated[:3]))}: give each class a name of its own."
        )
    return tuple(map(str, names))


def placed(model: Any, features: Any, head: Any, class_names: Any, device: torch.device | None) -> torch.device:
    """The device of a network: of its first parameter or buffer, else the CPU.

    Raises:
        ExplainError: no network, its split is missing, parameters without values, or another device was asked for.
    """
    if not isinstance(model, nn.Module):
        raise ExplainError(f"The model must be a torch.nn.Module, not a {type(model).__name__}: build it first.")
    for name, value in (("features", features), ("head", head)):
        if value is not None and not callable(value):
            raise ExplainError(f"{name}= must be a module or a function, not a {type(value).__name__}.")
    if features is None or head is None or class_names is None:
        raise ExplainError(f"Another network than DALAResNet50 needs {NEEDS}.")
    tensors = filled(model, features, head)
    own = tensors[0].device if tensors else torch.device("cpu")
    if device is not None and device.type != own.type:
        raise ExplainError(f"The network is on {own}, not on {device}: move it with its to({str(device)!r}) first.")
    return own


def filled(*parts: Any) -> list[Tensor]:
    """Parameters and buffers of networks; ExplainError if one has no values."""
    tensors = [t for _, m in _modules(*parts) for t in (*m.parameters(False), *m.buffers(False))]
    if any(is_lazy(t) or t.is_meta for t in tensors):
        raise ExplainError("The network has parameters without values (lazy, or on the meta device): load them first.")
    return tensors


def check_modes(*parts: Any) -> None:
    """Refuse networks of which a part in training mode would answer at random, or change its statistics.

    Raises:
        ExplainError: the first of `parts` is in training mode, or a part below whose class asks for the mode is.
    """
    if isinstance(parts[0], nn.Module) and parts[0].training:
        raise ExplainError("The network is in training mode: call its eval() first.")
    for name, module in _modules(*parts):
        if module.training and not hasattr(module, "_orig_mod") and _asks(module):
            raise ExplainError(f"A part of the network, {name}, is in training mode: call its eval() first.")


def called(what: str, function: Callable[[Any], Any], x: Any, given: str, advice: str = "") -> Any:
    """`function(x)`.

    Raises:
        ExplainError: the function raises; its own error is the cause. A full memory of the GPU stays as it is.
    """
    try:
        return function(x)
    except (DalaError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a user's code can raise anything
        reason = " ".join(str(error).split()).rstrip(".")[:250]
        raise ExplainError(f"{what} fails on {given}: {type(error).__name__}: {reason}.{advice}") from error


def temperature(model: Any) -> float:
    """The attribute of this name, if it is a positive number: by it the logits are divided; else 1."""
    value = getattr(model, "temperature", 1.0)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 < value < float("inf") else 1.0


def finite(x: Tensor, what: str) -> None:
    """Raise ExplainError unless all values are finite numbers."""
    if not x.isfinite().all():
        raise ExplainError(
            f"The network's {what} for this picture are not finite numbers: check its weights, and use float32 instead "
            "of float16."
        )


def differentiable(x: Tensor) -> None:
    """Raise ExplainError unless gradients flow from a head's outputs."""
    if not x.requires_grad:
        raise ExplainError(
            "No gradient flows through the head: let it compute the logits from the features, without no_grad, "
            "detach or quantized layers."
        )


def outline(features: Any) -> str:
    """Shape of a tensor, or type of anything else, as part of a sentence."""
    return str(tuple(features.shape)) if isinstance(features, Tensor) else f"a {type(features).__name__}"


def _modules(*parts: Any) -> list[tuple[str, nn.Module]]:
    """All modules below the parts with their names, each once; of a bound method, those below its object."""
    found: dict[nn.Module, str] = {}
    for part in parts:
        owner = getattr(part, "func", part)  # of functools.partial
        owner = owner if isinstance(owner, nn.Module) else getattr(owner, "__self__", None)
        for name, module in owner.named_modules() if isinstance(owner, nn.Module) else ():
            found.setdefault(module, name or type(module).__name__)
    return [(name, module) for module, name in found.items()]


def _asks(module: nn.Module) -> bool:
    """Whether the code of a module, its submodules apart, asks for its mode."""
    if isinstance(module, torch.jit.ScriptModule):
        return hasattr(module, "forward") and 'name="training"' in str(module.graph)
    kind = type(module)
    own = kind.__mro__[: kind.__mro__.index(nn.Module)]
    codes = [getattr(f, "__code__", None) for c in own for f in vars(c).values()]
    return any("training" in code.co_names for code in codes if code)
