"""Does a map depend on what the network has learned? Its weights are made random, from the head down, step by step.

The cascading randomisation test of Adebayo et al. 2018 (arXiv 1810.03292): a map that stays the same while the network
forgets shows the picture, not the network. How much two maps agree that have nothing in common but their smoothness
and their shape is measured, not assumed: the map is compared with itself, mirrored and moved round the edges.
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
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps.similarity import rank_correlation
from dala.images import preprocessing
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.progress import finish

__all__ = ["BLIND", "SIGNIFICANCE", "Randomised", "Sanity", "SanityError", "null", "sane", "steps"]

# From the head down; the stages' own order is the data's.
ORDER = ("head", *reversed(STAGES))
SIGNIFICANCE = 0.05
# Methods that never ask the head: its weights cannot matter to them.
BLIND = ("eigen_cam",)


class SanityError(DalaError):
    """A network or a map for which the question cannot be asked."""


@dataclass(frozen=True)
class Randomised:
    """The map once everything from the head down to `stage` is random.

    Attributes:
        stage: the last one that was made random.
        correlation: of the map's ranks with those of the map before, on the raw grid; 0 where the map is gone.
        raw: (h, w) the map, at least 0.
        blind: the method does not see what was made random so far, so that it cannot have reacted.
    """

    stage: str
    correlation: float
    raw: Tensor
    blind: bool


@dataclass(frozen=True)
class Sanity:
    """What became of a map as the network forgot.

    Attributes:
        method: whose map it is.
        steps: from the head alone to everything.
        limit: the rank correlation that unrelated maps of this shape exceed in one case of twenty.
        survives: the map of a wholly random network still agrees with the map beyond this limit: it fails the test.
    """

    method: str
    steps: tuple[Randomised, ...]
    limit: float

    @property
    def survives(self) -> bool:
        """Whether the map outlives the network."""
        return self.steps[-1].correlation > self.limit

    def words(self) -> str:
        """The verdict in a sentence, and why."""
        last, title = self.steps[-1].correlation, cam.METHODS[self.method].title
        said = (
            f"{title} fails: of a network with random weights it still gives a similar map (rank correlation "
            f"{last:.2f}; unrelated maps stay below {self.limit:.2f}). It shows the picture more than the network."
            if self.survives
            else f"{title} passes: once all weights are random, nothing of the map is left (rank correlation "
            f"{last:.2f}; unrelated maps reach {self.limit:.2f})."
        )
        blind = [s.stage for s in self.steps if s.blind]
        return said + (f" It never asks the {blind[0]}, and cannot react to its weights." if blind else "")


def null(raw: Tensor) -> Tensor:
    """Rank correlations of a map with itself, mirrored and moved round the edges by a quarter of a side or more: (n,).

    Maps as smooth as this one, with the same values, that have nothing to do with it.
    """
    h, w = raw.shape
    moves = [(dy, dx) for dy, dx in product(range(h), range(w)) if min(dy, h - dy) >= h / 4 or min(dx, w - dx) >= w / 4]
    mirrored = (raw, raw.flip(0), raw.flip(1), raw.flip(0, 1))
    moved = [m.roll(move, (0, 1)) for m in mirrored for move in moves]
    # Blocks: the agreement of everything with everything is not asked.
    return torch.cat(
        [rank_correlation(torch.stack([raw, *moved[i : i + 63]]))[0, 1:] for i in range(0, len(moved), 63)]
    )


def sane(
    explainer: Explainer, explanation: Explanation, methods: Sequence[str] | None = None, seed: int = 0
) -> dict[str, Sanity]:
    """Randomise a network from the head down, and compare the maps; see `steps`."""
    run = steps(explainer, explanation, methods, seed)
    return finish(run)


def steps(
    explainer: Explainer, explanation: Explanation, methods: Sequence[str] | None = None, seed: int = 0
) -> Generator[tuple[int, int], None, dict[str, Sanity]]:
    """A generator of (done, total) that returns, by method, what became of the map.

    After each step batch-norm takes the statistics of the picture in its four flips: with those of the trained network
    a random layer would send nothing on, and every map would differ for that alone.

    Args:
        explainer: the network that made the explanation, a DALAResNet50; left as it is.
        explanation: of a class, at the attention's output.
        methods: of its maps, none that reruns the network; None for all of them.
        seed: of the random weights.

    Raises:
        SanityError: another network or layer, a method that reruns it, a map that is flat, or a target that is no
            class.
    """
    e, methods = explanation, tuple(methods or explanation.maps)
    for method in methods:
        _check(e, method)
    network = _copy(explainer, e)
    below = _below(network, preprocessing.normalised(e.picture, explainer.preprocessing).to(explainer.device))
    found: dict[str, list[Randomised]] = {method: [] for method in methods}
    for done, stage in enumerate(ORDER, 1):
        _randomise(network, stage, seed + done)
        raw = _maps(network, e, methods, _again(network, stage, below))
        for method in methods:
            pair = torch.stack([e.maps[method], raw[method]])
            stays = float(rank_correlation(pair)[0, 1].nan_to_num(0))
            found[method].append(Randomised(stage, stays, raw[method], method in BLIND and stage == "head"))
        yield done, len(ORDER)
    limits = {method: float(null(e.maps[method]).quantile(1 - SIGNIFICANCE)) for method in methods}
    return {method: Sanity(method, tuple(found[method]), limits[method]) for method in methods}


def _below(network: DALAResNet50, x: Tensor) -> dict[str, Tensor]:
    """What enters each stage, of the picture in its four flips, the picture itself first."""
    flips = torch.cat([x, x.flip(2), x.flip(3), x.flip(2, 3)]).contiguous(memory_format=torch.channels_last)
    entering = {}
    with torch.no_grad():
        for stage in STAGES:
            entering[stage] = flips
            flips = getattr(network, stage)(flips)
    return {**entering, "head": flips}


@torch.no_grad()
def _again(network: DALAResNet50, stage: str, below: dict[str, Tensor]) -> Tensor:
    """The picture's feature maps, (1, C, h, w): what lies below the randomised stages has not changed."""
    x = below[stage]
    for name in STAGES[STAGES.index(stage) :] if stage != "head" else ():
        x = _recalibrated(network, name, x)
    return x[:1]


def _recalibrated(network: DALAResNet50, name: str, x: Tensor) -> Tensor:
    """A stage's output under batch statistics, which become the running ones."""
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
    _, gradient = cam.score_gradient(network.head, activations, [lambda logits: sign * score(logits)])
    heads = [lambda a: sign * score(network.head(a))]
    with torch.no_grad():
        return {m: cam.METHODS[m](activations, gradient, heads)[0].float().cpu().relu() for m in methods}


def _randomise(network: DALAResNet50, stage: str, seed: int) -> None:
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
        raise SanityError(f"The weights of a DALAResNet50 can be made random for a map at {STAGES[-1]}, no others yet.")
    return copy.deepcopy(explainer.model).eval().to(explainer.device)


def _check(e: Explanation, method: str) -> None:
    if method not in e.maps:
        raise SanityError(f"This explanation holds no map {method!r}: choose one of {', '.join(e.maps)}.")
    title = cam.METHODS[method].title
    if cam.METHODS[method].reruns:
        raise SanityError(f"{title} reruns the network hundreds of times for each of the seven steps.")
    if e.target not in e.class_names:
        raise SanityError(f"The steps follow a class, and {e.target!r} is none: explain a class.")
    if not e.maps[method].max() > e.maps[method].min():
        raise SanityError(f"{title} for {e.words()} is flat: there is nothing to compare.")
