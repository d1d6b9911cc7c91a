"""Cascading randomization: does a map depend on the learned weights?

The weights are replaced by random ones from the head down, stage by stage (Adebayo et al. 2018, arXiv 1810.03292). A
map that does not change shows the picture, not the network. How far unrelated maps of the same shape and smoothness
agree is measured: the map is compared with mirrored and shifted copies of itself.
"""

import copy
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from dala import cam
from dala.cam import targets
from dala.errors import DalaError
from dala.explain.engine import plain
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps.similarity import rank_correlation
from dala.images import preprocessing
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.progress import finish

__all__ = ["BLIND", "SIGNIFICANCE", "Randomized", "Sanity", "SanityError", "null", "sane", "steps"]

# From the head down; `STAGES` runs in the direction of the forward pass.
ORDER = ("head", *reversed(STAGES))
SIGNIFICANCE = 0.05
# Methods that do not use the head, so that its weights cannot change their maps.
BLIND = ("eigen_cam",)


class SanityError(DalaError):
    """A network or a map for which the test is not defined."""


@dataclass(frozen=True)
class Randomized:
    """The map after everything from the head down to `stage` was randomized.

    Attributes:
        stage: the stage that was randomized last.
        correlation: rank correlation with the map of the trained network, on the raw grid; 0 if the map is empty.
        raw: (h, w) the map, at least 0.
        blind: the method does not use any of the weights randomized so far.
    """

    stage: str
    correlation: float
    raw: Tensor
    blind: bool


@dataclass(frozen=True)
class Sanity:
    """Result of the test for one map.

    Attributes:
        method: the method of the map.
        steps: from the head alone to the whole network.
        limit: 95th percentile of the rank correlation of unrelated maps.
        survives: the map of a fully random network still agrees with the map beyond `limit`: the test is failed.
    """

    method: str
    steps: tuple[Randomized, ...]
    limit: float

    @property
    def survives(self) -> bool:
        """Whether the map outlasts the weights."""
        return self.steps[-1].correlation > self.limit

    def words(self) -> str:
        """The verdict in a sentence, with its numbers."""
        last, title = self.steps[-1].correlation, cam.METHODS[self.method].title
        text = (
            f"{title} fails: with random weights it still gives a similar map (rank correlation {last:.2f}; unrelated "
            f"maps stay below {self.limit:.2f}). It shows the picture more than the network."
            if self.survives
            else f"{title} passes: once all weights are random, nothing of the map is left (rank correlation "
            f"{last:.2f}; unrelated maps reach {self.limit:.2f})."
        )
        blind = [s.stage for s in self.steps if s.blind]
        return text + (f" It does not use the {blind[0]}, whose weights therefore cannot change it." if blind else "")


def null(raw: Tensor) -> Tensor:
    """Rank correlations (n,) of a map with its mirrored copies, shifted cyclically by a quarter of a side or more.

    The copies have the same values and smoothness as the map, and are otherwise unrelated to it.
    """
    h, w = raw.shape
    moves = [(dy, dx) for dy, dx in product(range(h), range(w)) if min(dy, h - dy) >= h / 4 or min(dx, w - dx) >= w / 4]
    mirrored = (raw, raw.flip(0), raw.flip(1), raw.flip(0, 1))
    moved = [m.roll(move, (0, 1)) for m in mirrored for move in moves]
    # In blocks: only the first row of the correlation matrix is needed.
    return torch.cat(
        [rank_correlation(torch.stack([raw, *moved[i : i + 63]]))[0, 1:] for i in range(0, len(moved), 63)]
    )


def sane(
    explainer: Explainer, explanation: Explanation, methods: Sequence[str] | None = None, seed: int = 0
) -> dict[str, Sanity]:
    """Randomize a network from the head down and compare the maps; see `steps`."""
    return finish(steps(explainer, explanation, methods, seed))


def steps(
    explainer: Explainer, explanation: Explanation, methods: Sequence[str] | None = None, seed: int = 0
) -> Generator[tuple[int, int], None, dict[str, Sanity]]:
    """Generator form of `sane`: yields (done, total) and returns the results by method; stop iterating to cancel.

    After each step batch normalization takes the statistics of the picture in its four flips: with those of the trained
    network, a random layer would pass on almost nothing, and every map would change for that reason alone.

    Args:
        explainer: the network that made the explanation, a DALAResNet50; it is not changed.
        explanation: of a class, at the attention's output.
        methods: maps of the explanation, none of a method that reruns the network; None for all of them.
        seed: for the random weights.

    Raises:
        SanityError: another network or layer, a method that reruns the network, a flat map, or a target that is not
            a class.
    """
    e, methods = explanation, tuple(methods or explanation.maps)
    for method in methods:
        _check(e, method)
    network = _copy(explainer, e)
    inputs = _inputs(network, preprocessing.normalised(e.picture, explainer.preprocessing).to(explainer.device))
    results: dict[str, list[Randomized]] = {method: [] for method in methods}
    for done, stage in enumerate(ORDER, 1):
        _randomize(network, stage, seed + done)
        raw = _maps(network, e, methods, _forward(network, stage, inputs))
        for method in methods:
            pair = torch.stack([e.maps[method], raw[method]])
            correlation = float(rank_correlation(pair)[0, 1].nan_to_num(0))
            results[method].append(Randomized(stage, correlation, raw[method], method in BLIND and stage == "head"))
        yield done, len(ORDER)
    limits = {method: float(null(e.maps[method]).quantile(1 - SIGNIFICANCE)) for method in methods}
    return {method: Sanity(method, tuple(results[method]), limits[method]) for method in methods}


def _inputs(network: DALAResNet50, x: Tensor) -> dict[str, Tensor]:
    """The input of each stage, for the four flips of the picture, the picture itself first."""
    flips = torch.cat([x, x.flip(2), x.flip(3), x.flip(2, 3)]).contiguous(memory_format=torch.channels_last)
    inputs = {}
    with torch.no_grad():
        for stage in STAGES:
            inputs[stage] = flips
            flips = getattr(network, stage)(flips)
    return {**inputs, "head": flips}


@torch.no_grad()
def _forward(network: DALAResNet50, stage: str, inputs: dict[str, Tensor]) -> Tensor:
    """The picture's feature maps, (1, C, h, w); the stages below the randomized ones have not changed."""
    x = inputs[stage]
    for name in STAGES[STAGES.index(stage) :] if stage != "head" else ():
        x = _recalibrated(network, name, x)
    return x[:1]


def _recalibrated(network: DALAResNet50, name: str, x: Tensor) -> Tensor:
    """The output of a stage with batch statistics, which become its running statistics."""
    norms = [m for m in _parts(network, name).modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    out: Tensor = getattr(network, name)(x)
    for norm in norms:
        norm.eval()
    return out


def _maps(network: DALAResNet50, e: Explanation, methods: Sequence[str], activations: Tensor) -> dict[str, Tensor]:
    score = targets.resolve(e.class_names, e.target)[1]
    sign = 1 if e.evidence == "for" else -1
    heads = [lambda a: sign * score(network.head(a))]
    with plain(activations.device):
        _, gradient = cam.score_gradient(network.head, activations, [lambda logits: sign * score(logits)])
    with torch.no_grad():
        return {m: cam.METHODS[m](activations, gradient, heads)[0].float().cpu().relu() for m in methods}


def _randomize(network: DALAResNet50, stage: str, seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in _parts(network, stage).modules():
            reset = getattr(module, "reset_parameters", None)
            if reset:
                reset()


def _parts(network: DALAResNet50, stage: str) -> nn.ModuleList:
    names = ("conv1", "bn1") if stage == "stem" else (stage,)
    return nn.ModuleList([network.get_submodule(name) for name in names])


def _copy(explainer: Explainer, e: Explanation) -> DALAResNet50:
    if not isinstance(explainer.model, DALAResNet50) or e.layer != STAGES[-1]:
        raise SanityError(f"Only maps of a DALAResNet50 at {STAGES[-1]} can be tested: explain that layer.")
    with plain(explainer.device):
        return copy.deepcopy(explainer.model).float().eval().to(explainer.device)


def _check(e: Explanation, method: str) -> None:
    if method not in e.maps:
        raise SanityError(f"This explanation holds no map {method!r}: choose one of {', '.join(e.maps)}.")
    title = cam.METHODS[method].title
    if cam.METHODS[method].reruns:
        raise SanityError(f"{title} reruns the network too often for this test: choose another method.")
    if e.target not in e.class_names:
        raise SanityError(f"This test follows a class, and {e.target!r} is none: explain a class.")
    if not e.maps[method].max() > e.maps[method].min():
        raise SanityError(f"{title} {e.evidence} {e.target} is flat: there is nothing to compare.")
