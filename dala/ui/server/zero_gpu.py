"""A GPU that is lent for seconds, as on Hugging Face's ZeroGPU; everywhere else the network runs where it lies."""

from collections.abc import Callable, Sequence
from importlib import import_module

import torch
from torch import Tensor

from dala.explain.engine import Choose, Engine, Pass
from dala.explain.explainer import Explainer
from dala.models.dala_resnet import DALAResNet50
from dala.models.device import lent_gpu

__all__ = ["SECONDS", "lend"]

SECONDS = 10  # a pass takes a fraction of one, the first one on a GPU several; visitors with less quota are turned away


class _Lent(Engine):
    """An engine whose passes run elsewhere; what is small, the head above all, still runs where `near` does."""

    def __init__(self, near: Engine, far: Callable[[Tensor, Sequence[str], Choose], Pass]) -> None:
        super().__init__(near.stages, near.last, near.device)
        self.half, self.far = near.half, far

    def run(self, x: Tensor, layers: Sequence[str], choose: Choose) -> Pass:
        return self.far(x, layers, choose).to(self.device)


def lend(explainer: Explainer) -> None:
    """Mark the one function that runs the network with `spaces.GPU`, if that package is here; else change nothing.

    To be called before the app is launched, and after `spaces` was imported before torch. On ZeroGPU the function runs
    in a process of its own, to which pictures and choices travel, and from which tensors come back on the CPU: those on
    a GPU cannot.
    """
    try:
        spaces = import_module("spaces")
    except ImportError:
        return
    model, engine = explainer.model, explainer.engine
    if lent_gpu() and isinstance(model, DALAResNet50):
        engine = Engine.of(model, torch.device("cuda"))

    @spaces.GPU(duration=SECONDS)
    def passes(x: Tensor, layers: Sequence[str], choose: Choose) -> Pass:
        return engine.run(x, layers, choose).to(torch.device("cpu"))

    explainer.engine = _Lent(explainer.engine, passes)
