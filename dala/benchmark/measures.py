"""Measures of the benchmark: every method against known ground truth, and per-picture against global thresholds.

A `Case` is an explained picture with its ground-truth mask, where one is known. The functions turn cases into plain
numbers; `dala.benchmark.cases` creates the cases, and `dala.benchmark.conclusions` draws the conclusions.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dala import cam
from dala.evaluation.bootstrap import mean_interval
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps.localization import ceiling, iou, localise
from dala.heatmaps.thresholds import RULES, table
from dala.hub.study import AreaRow, FaithfulnessRow, LocalisationRow, SanityRow, ThresholdRow
from dala.trust import deletion, randomization, robustness

__all__ = ["Case", "areas", "faithfulness", "localisation", "methods", "sanity", "stability", "thresholds"]

# Strengths for `areas`, independent of the app's defaults: one standard deviation, a fifth of the area, half the peak.
CUSTOMARY = {"mean_std": 1.0, "otsu": None, "percentile": 80.0, "share_of_max": 0.5}


@dataclass(frozen=True, eq=False)
class Case:
    """One explained picture.

    Attributes:
        explainer: the explained network, which was trained on neither the picture nor its patient.
        explanation: with a map of each of `methods()` that is not zero everywhere.
        mask: (H, W) bool on the network's input grid; None if the ground truth is not known per pixel.
        group: patient, or another group of dependent pictures; the bootstrap resamples groups.
    """

    explainer: Explainer
    explanation: Explanation
    mask: Tensor | None
    group: str


def methods() -> tuple[str, ...]:
    """Return the names of all methods that do not rerun the whole network, in the order of the registry."""
    return tuple(name for name, method in cam.METHODS.items() if not method.reruns)


def localisation(cases: Sequence[Case]) -> dict[str, LocalisationRow]:
    """Compute the mean of each measure with its interval, by method and for the mask on the maps' grid ("ceiling").

    Cases without a mask and maps that are zero everywhere are left out; `count` is the number of the others.
    """
    rows: dict[str, list[tuple[dict[str, float], str]]] = {}
    for case in cases:
        e, mask = case.explanation, case.mask
        if mask is None:
            continue
        grid = tuple(next(iter(e.maps.values())).shape)
        heats = {m: e.heat(m) for m in e.maps} | {"ceiling": ceiling(mask, (grid[0], grid[1]))}
        for name, heat in heats.items():
            if heat.max() > 0:
                rows.setdefault(name, []).append((asdict(localise(heat, mask)), case.group))
    return {name: _row(measures) for name, measures in rows.items()}


def thresholds(cases: Sequence[Case], method: str = cam.DEFAULT_METHOD) -> dict[str, ThresholdRow]:
    """Compare a threshold computed for each picture with one threshold for all pictures, by rule.

    The strength of the rule is chosen for the best mean IoU with the mask on one half of the groups and scored on the
    other half, and vice versa (`own`). The global threshold is one value of the raw map for all pictures of the scored
    half, set to the same mean kept area, which needs no mask (`global`). `gain` is the difference of the two IoUs of
    each picture.
    """
    known = [c for c in cases if c.mask is not None and c.explanation.maps.get(method) is not None]
    known = [c for c in known if c.explanation.maps[method].max() > 0]
    halves = _halves([c.group for c in known])
    return {rule: _rule(known, halves, rule, method) for rule in RULES}


def areas(cases: Sequence[Case], method: str = cam.DEFAULT_METHOD) -> dict[str, AreaRow]:
    """Compute quantiles over pictures of the kept area, for each rule at its customary strength."""
    result: dict[str, AreaRow] = {}
    for rule, strength in CUSTOMARY.items():
        kept = [c.explanation.threshold(rule, strength, method).kept_area for c in cases]
        low, middle, high = np.percentile(kept, (5, 50, 95))
        result[rule] = {
            "strength": strength,
            "p5": float(low),
            "median": float(middle),
            "p95": float(high),
            "mean": float(np.mean(kept)),
        }
    return result


def faithfulness(
    cases: Sequence[Case], half: bool = True, tick: Callable[[], None] = lambda: None
) -> dict[str, FaithfulnessRow]:
    """Compute areas under insertion and deletion, keep-only at 20 % of the area, average drop and increase, by method.

    `gap` is insertion minus deletion of the logit margin, which also ranks methods where the probability stays at 1
    whatever is hidden.

    Args:
        cases: explained pictures; maps that are zero everywhere are left out.
        half: run the network in half precision.
        tick: called after each case.
    """
    rows: dict[str, list[tuple[dict[str, float], str]]] = {}
    for case in cases:
        e = case.explanation
        for group in e.coinciding():
            if not e.maps[group[0]].max() > 0:
                continue
            curves = deletion.keep_remove(case.explainer, e, group[0], deletion.COARSE, half=half, chunk=16)
            change = deletion.weighted(case.explainer, e, group[0])
            row = {
                "insertion": curves.insertion(),
                "deletion": curves.deletion(),
                "gap": curves.insertion(scale="margin") - curves.deletion(scale="margin"),
                "keep_20": curves.at(0.2)[0],
                "remove_20": curves.at(0.2)[1],
                "drop": change.drop,
                "increase": float(change.increase),
            }
            for name in group:
                rows.setdefault(name, []).append((row, case.group))
        tick()
    return {name: _row(measures) for name, measures in rows.items()}


def sanity(cases: Sequence[Case], tick: Callable[[], None] = lambda: None) -> dict[str, SanityRow]:
    """Compute, by method, the share of pictures whose map survives random weights, and the correlation at each step."""
    rows: dict[str, list[randomization.Sanity]] = {}
    for case in cases:
        e = case.explanation
        varied = [m for m, raw in e.maps.items() if raw.max() > raw.min()]
        for name, result in randomization.sane(case.explainer, e, varied).items():
            rows.setdefault(name, []).append(result)
        tick()
    return {
        name: {
            "count": len(results),
            "survives": float(np.mean([r.survives for r in results])),
            "limit": float(np.mean([r.limit for r in results])),
            "steps": {
                stage: float(np.mean([r.steps[i].correlation for r in results]))
                for i, stage in enumerate(randomization.ORDER)
            },
            "blind": [s.stage for s in results[0].steps if s.blind],
        }
        for name, results in rows.items()
    }


def stability(cases: Sequence[Case], tick: Callable[[], None] = lambda: None) -> dict[str, dict[str, float]]:
    """Compute the mean rank correlation of the map with the map of a changed picture, by method and kind of change."""
    rows: dict[str, dict[str, list[float]]] = {}
    for case in cases:
        marked = [m for m, raw in case.explanation.maps.items() if raw.max() > 0]
        for name, changes in robustness.stable(case.explainer, case.explanation, marked).items():
            for change in changes.values():
                rows.setdefault(name, {}).setdefault(change.kind, []).append(change.correlation)
        tick()
    return {name: {kind: float(np.mean(v)) for kind, v in kinds.items()} for name, kinds in rows.items()}


def _row(measures: Sequence[tuple[dict[str, float], str]]) -> Any:
    groups = [group for _, group in measures]
    means = {key: list(mean_interval([row[key] for row, _ in measures], groups)) for key in measures[0][0]}
    return {"count": len(measures), **means}


def _halves(groups: Sequence[str]) -> list[np.ndarray]:
    names = np.array(sorted(set(groups)))
    np.random.default_rng(0).shuffle(names)
    first = np.isin(groups, names[: len(names) // 2])
    return [np.flatnonzero(first), np.flatnonzero(~first)]


def _rule(cases: Sequence[Case], halves: Sequence[np.ndarray], rule: str, method: str) -> ThresholdRow:
    heats = [c.explanation.heat(method) for c in cases]
    masks = [c.mask for c in cases if c.mask is not None]
    tables = [table(heat, rule) for heat in heats]
    strengths = [strength for strength, _, _ in tables[0]]
    # (cases, strengths)
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
        "kept_area": list(mean_interval(kept.tolist(), groups)),
        "own": list(mean_interval(own.tolist(), groups)),
        "global": list(mean_interval(everywhere.tolist(), groups)),
        "gain": list(mean_interval((own - everywhere).tolist(), groups)),
    }


def _ious(heat: Tensor, mask: Tensor, taus: Sequence[float]) -> list[float]:
    """Compute the IoU of a mask with the region that each threshold keeps of a map."""
    # NumPy's sort of a million values takes a fraction of PyTorch's time.
    inside, everything = (np.sort(values.numpy().ravel()) for values in (heat[mask], heat))
    wanted = np.asarray(taus, np.float32)
    hit = len(inside) - np.searchsorted(inside, wanted)
    kept = len(everything) - np.searchsorted(everything, wanted)
    return (hit / (kept + len(inside) - hit)).tolist()


def _global(heats: Sequence[Tensor], area: float) -> float:
    """Return the threshold at which these maps together keep a share of the area, or come nearest to it.

    Where a map is 0 its places are kept all or not at all.
    """
    falling = np.sort(np.concatenate([h.numpy().ravel() for h in heats]))[::-1]
    at = falling[min(len(falling) - 1, max(0, round(area * len(falling)) - 1))]
    if at <= 0 and 1 - area < area - np.mean(falling > 0):
        return float(falling[-1])
    return max(float(at), float(torch.finfo(torch.float32).tiny))


def without_gradient(case: Case) -> Case:
    """The same without the features, which no measure needs."""
    return replace(case, explanation=replace(case.explanation, features=None))
