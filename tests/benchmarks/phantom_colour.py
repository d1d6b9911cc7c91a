"""Do colour, stain or the number of nuclei tell the two classes of phantoms apart? They should not.

    python tests/benchmarks/phantom_colour.py [--n 240] [--size 700x460]

Draws the phantoms of seeds 0, 1, ..., alternately benign and malignant, and cross-validates the colour-only baseline on
them, over five ways of dealing out the folds. Minutes. Writes phantom_colour.json beside itself.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2]))

from dala.data import datasets, loading, splits
from dala.images import stain
from dala.phantoms import dataset, phantom
from dala.training import baselines

DEALS = 5


def aucs(items: list, x: np.ndarray) -> list[float]:
    """Cross-validated AUC of colour alone, for each way of dealing out five folds."""
    place, told = {item.path: k for k, item in enumerate(items)}, []
    for seed in range(DEALS):
        scores = np.zeros(len(items))
        for side in splits.folds(items, k=5, seed=seed):
            test = [place[i.path] for i in side]
            train = sorted({*range(len(items))} - {*test})
            scores[test] = baselines.log_probabilities("colour", x, items, train, test)[:, 1]
        told.append(float(roc_auc_score([i.label for i in items], scores)))
    return told


def stains(item) -> np.ndarray:
    """Mean haematoxylin and eosin of a picture, natural optical densities."""
    density = -np.log(np.clip(np.asarray(loading.read(item), float), 1, None) / 240)
    vectors = np.linalg.pinv(np.stack([stain.HAEMATOXYLIN, stain.EOSIN]))
    return (density @ vectors).mean((0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=240)
    parser.add_argument("--size", default="700x460")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "phantoms"
        dataset.make_folder(root, dataset.Recipe(args.n, size=(width, height)), os.cpu_count() or 1)
        items = datasets.read(root, "folder").items
        told = {"command": f"python tests/benchmarks/phantom_colour.py --n {args.n} --size {args.size}"}
        told["colour_auc"] = [round(a, 3) for a in aucs(items, baselines.colour(items))]
        told["colour_auc_mean"] = round(float(np.mean(told["colour_auc"])), 3)
        rows = json.loads((root / dataset.ABOUT).read_text())["pictures"]
        nuclei = {(root / row["file"]): row["nuclei"] for row in rows}
        for label, name in enumerate(phantom.LABELS):
            mine = [i for i in items if i.label == label]
            h, e = np.mean([stains(i) for i in mine], axis=0)
            counted = float(np.mean([nuclei[i.path] for i in mine]))
            told[name] = {"nuclei": round(counted, 1), "haematoxylin": round(h, 4), "eosin": round(e, 4)}
    print(json.dumps(told, indent=1))
    HERE.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
