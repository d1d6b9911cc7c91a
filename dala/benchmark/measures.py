"""Which explanations deserve trust? Every method measured on truth that is known, and thresholds against thresholds.

A `Case` is a picture, explained, with the mask of what should be found where that is known. Everything here turns cases
into plain numbers; where cases come from stands in `dala.benchmark.cases`, what is said of the numbers in `dala.benchmark.conclusions`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dala import cam
from dala.evaluation.bootstrap import interval
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps.localization import ceiling, iou, localise
from dala.heatmaps.thresholds import RULES, table
from dala.trust import deletion, randomization, robustness

__all__ = ["METHODS", "Case", "areas", "faithfulness", "localisation", "randomised", "stays", "thresholds"]

Json = dict[str, Any]
# At which the kept areas are told, whatever the app starts with: one standard deviation, a fifth of the area, half the
# peak.
CUSTOMARY = {"mean_std": 1.0, "otsu": None, "percentile": 80.0, "share_of_max": 0.5}
METHODS = tuple(name for name, m in cam.METHODS.items() if not m.reruns)


@dataclass(frozen=True, eq=False)
class Case:
    """One picture of a truth.

    Attributes:
        explainer: the network that was explained: one that saw neither the picture nor its patient.
        explanation: with a map of every method of `METHODS` that is not zero everywhere.
        mask: (H, W) bool on the network's input grid; None where the truth is not known to the pixel.
        group: whose picture it is; pictures of one group stand and fall together in the bootstrap.
    """

    explainer: Explainer
    explanation: Explanation
    mask: Tensor | None
    group: str


def localisation(cases: Sequence[Case]) -> Json:
    """By method, and for the mask itself on the maps' grid ("ceiling"): the mean of every measure with its interval.

    Cases without a mask, and maps that are zero everywhere, are left out; `count` tells how many remain.
    """
    rows: dict[str, list[tuple[Json, str]]] = {}
    for case in cases:
        e, mask = case.explanation, case.mask
        if mask is None:
            continue
        grid = tuple(next(iter(e.maps.values())).shape)
        heats = {m: e.heat(m) for m in e.maps} | {"ceiling": ceiling(mask, (grid[0], grid[1]))}
        for name, heat in heats.items():
            if heat.max() > 0:
                rows.setdefault(name, []).append((asdict(localise(heat, mask)), case.group))
    return {name: _row(found) for name, found in rows.items()}


def thresholds(cases: Sequence[Case], method: str = "grad_cam") -> Json:
    """Does a threshold taken from each picture choose a better area than one for all pictures?

    By rule: its strength is chosen for the best mean IoU with the mask on one half of the groups and scored on the
    other, and the other way round. Beside it stands one global threshold on the raw map, the same for all pictures of
    the scored half, set to the same mean kept area: that needs no mask. `gain` is the difference of the IoUs, picture
    by picture.
    """
    known = [c for c in cases if c.mask is not None and c.explanation.maps.get(method) is not None]
    known = [c for c in known if c.explanation.maps[method].max() > 0]
    halves = _halves([c.group for c in known])
    return {rule: _rule(known, halves, rule, method) for rule in RULES}


def areas(cases: Sequence[Case], method: str = "grad_cam") -> Json:
    """How large the kept areas are really: quantiles over pictures, of every rule at its customary strength."""
    told = {}
    for rule, strength in CUSTOMARY.items():
        kept = [c.explanation.threshold(rule, strength, method).kept_area for c in cases]
        low, middle, high = np.percentile(kept, (5, 50, 95))
        told[rule] = {
            "strength": strength,
            "p5": float(low),
            "median": float(middle),
            "p95": float(high),
            "mean": float(np.mean(kept)),
        }
    return told


def faithfulness(cases: Sequence[Case], half: bool = True, tick: Callable[[], None] = lambda: None) -> Json:
    """By method: areas under insertion and deletion, keep-only at 20 % of the area, average drop and increase.

    `gap` is insertion less deletion of the logit margin: a probability that stays at 1 whatever is hidden ranks none.
    """
    rows: dict[str, list[tuple[Json, str]]] = {}
    for case in cases:
        e = case.explanation
        for group in e.coinciding():
            if not e.maps[group[0]].max() > 0:
                continue
            found = deletion.keep_remove(case.explainer, e, group[0], deletion.COARSE, half=half, chunk=16)
            change = deletion.weighted(case.explainer, e, group[0])
            row = {
                "insertion": found.insertion(),
                "deletion": found.deletion(),
                "gap": found.insertion(scale="margin") - found.deletion(scale="margin"),
                "keep_20": found.at(0.2)[0],
                "remove_20": found.at(0.2)[1],
                "drop": change.drop,
                "increase": float(change.increase),
            }
            for name in group:
                rows.setdefault(name, []).append((row, case.group))
        tick()
    return {name: _row(found) for name, found in rows.items()}


def randomised(cases: Sequence[Case], tick: Callable[[], None] = lambda: None) -> Json:
    """By method: on how many pictures the map outlives the network's weights, and how far it agrees at each step."""
    rows: dict[str, list[randomization.Sanity]] = {}
    for case in cases:
        e = case.explanation
        varied = [m for m, raw in e.maps.items() if raw.max() > raw.min()]
        for name, found in randomization.sane(case.explainer, e, varied).items():
            rows.setdefault(name, []).append(found)
        tick()
    return {
        name: {
            "count": len(found),
            "survives": float(np.mean([f.survives for f in found])),
            "limit": float(np.mean([f.limit for f in found])),
            "steps": {
                stage: float(np.mean([f.steps[i].correlation for f in found]))
                for i, stage in enumerate(randomization.ORDER)
            },
            "blind": [s.stage for s in found[0].steps if s.blind],
        }
        for name, found in rows.items()
    }


def stays(cases: Sequence[Case], tick: Callable[[], None] = lambda: None) -> Json:
    """By method and kind of change: the mean rank correlation of the map with the map, mapped back."""
    rows: dict[str, dict[str, list[float]]] = {}
    for case in cases:
        marked = [m for m, raw in case.explanation.maps.items() if raw.max() > 0]
        for name, changes in robustness.stable(case.explainer, case.explanation, marked).items():
            for change in changes.values():
                rows.setdefault(name, {}).setdefault(change.kind, []).append(change.correlation)
        tick()
    return {name: {kind: float(np.mean(v)) for kind, v in kinds.items()} for name, kinds in rows.items()}


def _row(found: Sequence[tuple[Json, str]]) -> Json:
    groups = [group for _, group in found]
    told = {key: list(interval([row[key] for row, _ in found], groups)) for key in found[0][0]}
    return {"count": len(found), **told}


def _halves(groups: Sequence[str]) -> list[np.ndarray]:
    names = np.array(sorted(set(groups)))
    np.random.default_rng(0).shuffle(names)
    first = np.isin(groups, names[: len(names) // 2])
    return [np.flatnonzero(first), np.flatnonzero(~first)]


def _rule(cases: Sequence[Case], halves: Sequence[np.ndarray], rule: str, method: str) -> Json:
    heats = [c.explanation.heat(method) for c in cases]
    masks = [c.mask for c in cases if c.mask is not None]
    tables = [table(heat, rule) for heat in heats]
    strengths = [strength for strength, _, _ in tables[0]]
    # By picture and strength.
    scored = np.array([_ious(h, m, [tau for _, tau, _ in t]) for h, m, t in zip(heats, masks, tables, strict=True)])
    own, everywhere, kept, chosen = np.zeros(len(cases)), np.zeros(len(cases)), np.zeros(len(cases)), []
    for fit, score in (halves, halves[::-1]):
        best = int(scored[fit].mean(0).argmax())
        chosen.append(strengths[best])
        own[score], kept[score] = scored[score, best], [tables[i][best][2] for i in score]
        tau = _global([heats[i] for i in score], float(kept[score].mean()))
        everywhere[score] = [iou(heats[i] >= tau, masks[i]) for i in score]
    groups = [c.group for c in cases]
    return {
        "count": len(cases),
        "strengths": chosen,
        "kept_area": list(interval(kept.tolist(), groups)),
        "own": list(interval(own.tolist(), groups)),
        "global": list(interval(everywhere.tolist(), groups)),
        "gain": list(interval((own - everywhere).tolist(), groups)),
    }


def _ious(heat: Tensor, mask: Tensor, taus: Sequence[float]) -> list[float]:
    """IoU of a mask with what each of several thresholds keeps of a map."""
    # NumPy's sort of a million values takes a fraction of PyTorch's time.
    inside, everything = (np.sort(values.numpy().ravel()) for values in (heat[mask], heat))
    wanted = np.asarray(taus, np.float32)
    hit = len(inside) - np.searchsorted(inside, wanted)
    kept = len(everything) - np.searchsorted(everything, wanted)
    return (hit / (kept + len(inside) - hit)).tolist()


def _global(heats: Sequence[Tensor], area: float) -> float:
    """The threshold above 0 for which these maps together keep a share of the area."""
    falling = np.sort(np.concatenate([h.numpy().ravel() for h in heats]))[::-1]
    at = falling[min(len(falling) - 1, max(0, round(area * len(falling)) - 1))]
    return max(float(at), float(torch.finfo(torch.float32).tiny))


def without_gradient(case: Case) -> Case:
    """The same without the features, which no measure needs."""
    return replace(case, explanation=replace(case.explanation, features=None))
