"""Where does a network look that learnt from phantoms with ink on one class, and what is it worth when the ink moves?

    python tests/benchmarks/decoy.py [--decoy ink] [--runs runs] [--n 80]

Trains on plain phantoms (RUNS/phantom) and on phantoms with the decoy in the malignant class (RUNS/phantom-decoy), as
`python -m dala train --data phantom` and `--data phantom:ink` do, unless they are there; then scores and explains both
on phantoms that none has seen. Maps are Grad-CAM for malignant; a share of energy is the part of a map's sum that lies
in a mask. It stands between the mask's share of the area, which is what a map that sees nothing reaches, and that of
the mask itself on the maps' coarse grid. Minutes.
Writes decoy.json beside itself.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2]))

import torch
from sklearn.metrics import roc_auc_score

from dala import Explainer
from dala.heatmaps.localization import ceiling, localise
from dala.models import serialization
from dala.phantoms.dataset import Recipe
from dala.phantoms.phantom import Phantom
from dala.training.config import Settings
from dala.training.cross_validation import train

FRESH = 1_000_000


def network(data: str, out: Path) -> tuple[Explainer, dict]:
    """The trained network of a run, made now unless it is there, and what its report says."""
    if not (out / serialization.FILE).is_file():
        train(Settings.from_options(data=Path(data), out=out))
    report = json.loads((out / "report.json").read_text())
    told = {"seconds": report["seconds"], "sha256": report["sha256"]}
    figures = report["scores"]["figures"]
    told |= {f"held_out_{name}": round(figures[name][0], 3) for name in ("auc", "balanced_accuracy")}
    return Explainer.load(out, "cpu"), told


def sets(explainer: Explainer, decoy: str, n: int) -> dict[str, list[Phantom]]:
    """Unseen phantoms: plain, with the decoy where it was in training, and with the decoy in the other class."""
    size = explainer.preprocessing.width, explainer.preprocessing.height
    recipes = {
        "plain": Recipe(n, FRESH, size),
        "decoy in malignant": Recipe(n, FRESH, size, decoy, "malignant"),
        "decoy in benign": Recipe(n, FRESH, size, decoy, "benign"),
    }
    return {name: [recipe.make(i) for i in range(n)] for name, recipe in recipes.items()}


def seen(explainer: Explainer, phantoms: list[Phantom]) -> dict:
    """Figures of one network on one set."""
    explained = explainer.explain_batch([p.picture for p in phantoms], target="malignant")
    ill = np.array([p.label == "malignant" for p in phantoms])
    score = np.array([e.probabilities["malignant"] for e in explained])
    right = (score > 0.5) == ill
    told = {
        "auc": roc_auc_score(ill, score),
        "balanced_accuracy": (right[ill].mean() + right[~ill].mean()) / 2,
        "malignant_found": right[ill].mean(),
        "benign_found": right[~ill].mean(),
    }
    for name in ("mask", "decoy"):
        rows = []
        for e, p in zip(explained, phantoms, strict=True):
            heat, where = e.heat(), torch.from_numpy(getattr(p, name))
            if where.any() and heat.sum() > 0:
                found, best = localise(heat, where), localise(ceiling(where, tuple(e.maps["grad_cam"].shape)), where)
                rows.append((found.energy, where.double().mean(), best.energy, found.pointing))
        if rows:
            label = "focus" if name == "mask" else "decoy"
            keys = (f"energy_in_{label}", f"area_of_{label}", f"ceiling_of_{label}", f"peak_in_{label}")
            told |= dict(zip(keys, np.mean(rows, 0), strict=True)) | {f"{label}_maps": len(rows)}
    return {k: round(float(v), 3) for k, v in told.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decoy", default="ink")
    parser.add_argument("--runs", type=Path, default=HERE.parents[2] / "runs")
    parser.add_argument("--n", type=int, default=80)
    args = parser.parse_args()
    told: dict = {"command": f"python tests/benchmarks/decoy.py --decoy {args.decoy} --n {args.n}"}
    for name, data in (("phantom", "phantom"), ("phantom-decoy", f"phantom:{args.decoy}")):
        explainer, about = network(data, args.runs / name)
        unseen = sets(explainer, args.decoy, args.n)
        told[data] = {"training": about, **{key: seen(explainer, made) for key, made in unseen.items()}}
    print(json.dumps(told, indent=1))
    HERE.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
