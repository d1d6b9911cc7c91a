"""How strange are pictures with hidden parts to the network, by what hides them? And how many pictures a run?

    python tests/benchmarks/baselines.py [PICTURES]

Pictures: a folder, searched for `*-100-*` patches of BreakHis, one of each of eight patients; without it the samples of
the app. Takes minutes.
Strangeness is the distance of the pooled feature maps to those of the nearest other whole picture, in units of the
median of that distance among whole pictures: 1 is no stranger than a picture that was never touched.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from dala import Explainer
from dala.publishing import samples
from dala.trust import deletion, infill

AREAS = (0.1, 0.25, 0.5, 0.75)
MOST = 8


def pictures() -> list[Path]:
    if len(sys.argv) < 2:
        return [sample.file for sample in samples.find()]
    one_a_patient = {p.name.split("-")[2]: p for p in sorted(Path(sys.argv[1]).rglob("*-100-*.*"))}
    kept = list(one_a_patient.values())
    return kept[:: max(1, len(kept) // MOST)][:MOST]


class Watched:
    """The network of an explainer, with the pooled feature maps of whatever runs through it."""

    def __init__(self, explainer: Explainer) -> None:
        self.features: list[torch.Tensor] = []
        name = list(explainer.engine.stages)[-1]
        stage = explainer.engine.stages[name]

        def watched(x: torch.Tensor) -> torch.Tensor:
            a = stage(x)
            self.features.append(a.mean((2, 3)).cpu())
            return a

        explainer.engine.stages[name] = watched

    def take(self) -> torch.Tensor:
        taken, self.features = torch.cat(self.features), []
        return taken


def main() -> None:
    explainer = Explainer.load(device="cpu")
    watched = Watched(explainer)
    made = [explainer.explain(file) for file in pictures()]
    whole = watched.take()
    distance = torch.cdist(whole, whole).fill_diagonal_(torch.inf)
    unit = distance.min(1).values.median()
    print(f"{len(made)} pictures of {made[0].picture.size}")
    print("baseline  keep-only at", *AREAS, " remove-only at", *AREAS, " bare")
    for name in infill.INFILLS:
        rows = []
        for i, e in enumerate(made):
            deletion.keep_remove(explainer, e, areas=(0, *AREAS), baseline=name)
            others = torch.cat([whole[:i], whole[i + 1 :]])
            rows.append((torch.cdist(watched.take(), others).min(1).values / unit).tolist())
        bare, *rest = np.median(rows, 0)
        print(f"{name:8}", *(f"{value:5.2f}" for value in rest), f"  {bare:5.2f}")
    for chunk in (1, 2, 4, 8):
        began = time.perf_counter()
        run = deletion.keep_remove(explainer, made[0], chunk=chunk)
        print(f"{chunk} a run: {time.perf_counter() - began:.1f} s for {run.runs} pictures")


if __name__ == "__main__":
    main()
