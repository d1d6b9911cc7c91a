"""How often does the check of `dala.images.tissue` warn of tissue, and how often of anything else?

    python tests/benchmarks/tissue_check.py --out dala/images/tissue.json \\
        --data BreaKHis_v1 IDC_regular_ps50_idx5 BRCA_tiles

Half of each data set's patients fit one Gaussian and its threshold; the other half measures false alarms. BreakHis is
split by patient, IDC by its folder, which is a patient, tiles without patients one by one. Of a data set at most 3000
pictures are drawn, those of at least 32 px a side, as the app takes them. Each fitting picture counts twice, as it is
and with its stain, light and scale changed, so that another laboratory's slides are expected, too; and each data set
counts as much as any other. The threshold is the largest, over the data sets, of the 99th percentile of the fitting
half's distances. No picture unlike tissue takes part in the fit: all of `tests/non_tissue.py` measure hits.

Held-out tissue is what is stained on at least 5 % of its area; what is not is a blank slide, and counted apart. "as
another laboratory" counts the false alarms in a data set's held-out half if the fit never saw that data set. The
percentile was chosen with both rates in view: another `--seed` deals out the patients, and draws the pictures, anew.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dala.images import preprocessing, reading, stain_statistics
from dala.images.tissue import LEAST_STAINED, Tissue
from tests.support import non_tissue

MOST = 3000  # pictures of a data set
QUANTILE = 0.99
RIDGE = 0.02  # added to the variances of the standardised statistics
NAMES = list(stain_statistics.statistics(Image.new("RGB", (2, 2))))


class Measured(NamedTuple):
    """Statistics of one data set: (N, S) as they are, (F, S) of the fitting half changed, and which half is which."""

    name: str
    values: np.ndarray
    changed: np.ndarray
    fits: np.ndarray
    groups: int

    @property
    def stained(self) -> np.ndarray:
        return self.values[:, NAMES.index("stained")] ** 2 >= LEAST_STAINED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders, one a data set")
    parser.add_argument("--out", type=Path, help="where the parameters and the rates are written, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        sets = [measure(root, args.seed, pool) for root in args.data]
        kinds, beside = (
            dict(zip(names, pool.map(of_kind, names, [args.seed] * len(names)), strict=True))
            for names in (non_tissue.KINDS, non_tissue.NEIGHBOURS)
        )
    told = rounded(fit(sets))
    tissue = Tissue.of(told)
    told["tissue"] = [false_alarms(tissue, one, [s for s in sets if s is not one]) for one in sets]
    told["unlike"] = [hits(tissue, name, values) for name, values in kinds.items()]
    told["other_stain"] = [hits(tissue, name, values) for name, values in beside.items()]
    tell(told)
    print(f"{time.perf_counter() - start:.0f} s")
    if args.out:
        args.out.write_text(text_of(told), encoding="utf-8")


def measure(root: Path, seed: int, pool: ProcessPoolExecutor) -> Measured:
    rng = np.random.default_rng(seed)
    files = sorted(f for f in root.rglob("*") if f.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".bmp"))
    files = [f for f in (files[i] for i in sorted(rng.permutation(len(files))[:MOST])) if large_enough(f)]
    owners = [owner(file, root) for file in files]
    groups = sorted(set(owners))
    fitting = {groups[i] for i in rng.permutation(len(groups))[: len(groups) // 2]}
    fits = np.array([o in fitting for o in owners])
    values = np.array(list(pool.map(of_file, files, chunksize=50)))
    seeds = rng.integers(0, 2**31, len(files))
    changed = list(
        pool.map(of_changed, [f for f, yes in zip(files, fits, strict=True) if yes], seeds[fits], chunksize=50)
    )
    return Measured(
        root.name.split("_")[0].replace("BreaKHis", "BreakHis"), values, np.array(changed), fits, len(groups)
    )


def large_enough(file: Path) -> bool:
    """Whether the app would take it: remnants at a slide's border are but a few pixels wide."""
    with Image.open(file) as picture:
        return min(picture.size) >= preprocessing.MIN_SIDE


def owner(file: Path, root: Path) -> str:
    """The patient: the numeric root of a BreakHis slide, the folder of an IDC patch; else the picture itself."""
    parts = file.stem.split("-")
    if file.name.startswith("SOB_") and len(parts) >= 5:
        return "".join(c for c in parts[2] if c.isdigit())
    folder = file.relative_to(root).parts[0]
    return folder if folder.isdigit() else file.name


def of_file(file: Path) -> list[float]:
    return list(stain_statistics.statistics(reading.read(file)).values())


def of_changed(file: Path, seed: int) -> list[float]:
    """The statistics of a picture at another scale (0.4 to 2.5), stained more or less, in another tint and light."""
    rng, picture = np.random.default_rng(seed), reading.read(file)
    least = min(1, max(0.4, 40 / min(picture.size)))
    density = -np.log10((np.asarray(scaled(picture, least, rng), np.float64) + 1) / 256)
    density = density * np.exp(rng.uniform(-0.27, 0.27)) * np.exp(rng.uniform(-0.1, 0.1, 3)) + rng.uniform(0, 0.04, 3)
    pixels = np.rint(np.clip(256 * 10**-density - 1, 0, 255)).astype(np.uint8)
    return list(stain_statistics.statistics(Image.fromarray(pixels)).values())


def scaled(picture: Image.Image, least: float, rng: np.random.Generator) -> Image.Image:
    """The whole of it smaller, or a part of it enlarged to the size of the whole."""
    scale, size = np.exp(rng.uniform(np.log(least), np.log(2.5))), np.array(picture.size)
    if scale <= 1:
        return picture.resize(tuple(np.maximum(1, np.rint(scale * size)).astype(int)), Image.Resampling.BOX)
    part = np.rint(size / scale).astype(int)
    corner = rng.integers(0, size - part + 1)
    return picture.crop((*corner, *(corner + part))).resize(picture.size, Image.Resampling.BICUBIC)


def of_kind(kind: str, seed: int) -> np.ndarray:
    return np.array([list(stain_statistics.statistics(picture).values()) for picture in non_tissue.make(kind, seed)])


def fit(sets: list[Measured]) -> dict[str, Any]:
    """One Gaussian of all sets, each of the same weight, and the threshold that the fitting halves ask for."""
    parts = [np.concatenate([s.values[s.fits & s.stained], s.changed]) for s in sets]
    weights = np.concatenate([np.full(len(p), 1 / len(p) / len(parts)) for p in parts])
    values = np.concatenate(parts)
    mean = weights @ values
    scale = np.sqrt(weights @ (values - mean) ** 2)
    off = (values - mean) / scale
    precision = np.linalg.inv((off * weights[:, None]).T @ off + RIDGE * np.eye(len(mean)))
    told = {"statistics": NAMES, "mean": mean.tolist(), "scale": scale.tolist(), "precision": precision.tolist()}
    tissue = Tissue.of(told | {"threshold": 0})
    own = [np.quantile(tissue.distances(s.values[s.fits & s.stained]), QUANTILE) for s in sets]
    return told | {"threshold": float(max(own))}


def false_alarms(tissue: Tissue, one: Measured, others: list[Measured]) -> dict[str, Any]:
    held = one.values[~one.fits & one.stained]
    blank = one.values[~one.fits & ~one.stained]
    elsewhere = Tissue.of(fit(others)) if others else tissue
    return {
        "name": one.name,
        "groups": one.groups,
        "fitted": int((one.fits & one.stained).sum()),
        "pictures": len(held),
        "warned": warned(tissue, held),
        "blank": len(blank),
        "blank_warned": warned(tissue, blank),
        "warned_as_another_laboratory": warned(elsewhere, held) if others else None,
    }


def hits(tissue: Tissue, name: str, values: np.ndarray) -> dict[str, Any]:
    return {"name": name, "pictures": len(values), "warned": warned(tissue, values)}


def warned(tissue: Tissue, values: np.ndarray) -> int:
    return int((tissue.distances(values) > tissue.threshold).sum()) if len(values) else 0


def rounded(told: dict[str, Any]) -> dict[str, Any]:
    """Six digits are plenty, and what is measured is measured with them."""

    def short(value: Any) -> Any:
        return [short(v) for v in value] if isinstance(value, list) else float(f"{value:.6g}")

    return {key: value if key == "statistics" else short(value) for key, value in told.items()}


def tell(told: dict[str, Any]) -> None:
    for key, title in (("tissue", "false alarms"), ("unlike", "hits"), ("other_stain", "other stain, not counted")):
        total = {"name": "all", **{what: sum(row[what] for row in told[key]) for what in ("pictures", "warned")}}
        print(f"\n{title:40} pictures  warned")
        for row in (*told[key], total):
            share = 100 * row["warned"] / max(row["pictures"], 1)
            more = (
                f"  as another laboratory {row['warned_as_another_laboratory']}, "
                f"blank {row['blank_warned']} of {row['blank']}"
                if "blank" in row
                else ""
            )
            print(f"{row['name']:40} {row['pictures']:8}  {row['warned']:6}  {share:5.1f} %{more}")


def text_of(told: dict[str, Any]) -> str:
    """JSON with one line an entry or row."""
    lines = []
    for key, value in told.items():
        rows = value if isinstance(value, list) and isinstance(value[0], list | dict) else None
        inner = ",\n".join(f"    {json.dumps(row)}" for row in rows) if rows else ""
        lines.append(f"  {json.dumps(key)}: " + (f"[\n{inner}\n  ]" if rows else json.dumps(value)))
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
