"""Runs the network on Hugging Face's ZeroGPU, which attaches a GPU for seconds; elsewhere this module does nothing."""

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


class _RemoteEngine(Engine):
    """An engine whose passes run in another process; small steps, such as the head, still run on `local`'s device."""

    def __init__(self, local: Engine, remote: Callable[[Tensor, Sequence[str], Choose], Pass]) -> None:
        super().__init__(local.stages, local.last, local.device)
        self.half, self.remote = local.half, remote
        self.head, self.network = local.head, local.network  # type: ignore[method-assign]

    def run(self, x: Tensor, layers: Sequence[str], choose: Choose) -> Pass:
        return self.remote(x, layers, choose).to(self.device)


def lend(explainer: Explainer) -> None:
    """Decorate the one function that runs the network with `spaces.GPU`, if that package is installed.

    Call it before the app is launched; `spaces` has to be imported before torch. On ZeroGPU the function runs in a
    process of its own: pictures and choices are sent to it, and tensors come back on the CPU, since those on a GPU
    cannot be sent.
    """
    try:
        spaces = import_module("spaces")
    except ImportError:
        return
    model, engine = explainer.model, explainer.engine
    if lent_gpu() and isinstance(model, DALAResNet50):
        engine = Engine.of(model, torch.device("cuda"))

    @spaces.GPU(duration=SECONDS)
    def run(x: Tensor, layers: Sequence[str], choose: Choose) -> Pass:
        return engine.run(x, layers, choose).to(torch.device("cpu"))

    explainer.engine = _RemoteEngine(explainer.engine, run)
