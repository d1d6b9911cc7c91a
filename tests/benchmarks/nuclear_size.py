"""How large are nuclei in BreakHis pictures, in pixels? The scale that the data set's name does not tell.

    python tests/benchmarks/nuclear_size.py --data BreaKHis_v1

Haematoxylin by colour deconvolution, Otsu's threshold, round and solid objects; equivalent diameters, 40 pictures a
magnification.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from skimage import color, filters, measure

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dala.data import datasets
from dala.images import reading


def diameters(pixels: np.ndarray) -> list[float]:
    """Equivalent diameters in pixels of round, solid, haematoxylin-rich objects."""
    stain = filters.gaussian(color.rgb2hed(pixels)[..., 0], 1)
    found = measure.regionprops(measure.label(stain > filters.threshold_otsu(stain)))
    return [r.equivalent_diameter_area for r in found if r.solidity > 0.92 and r.eccentricity < 0.75 and r.area > 30]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    for magnification in ("40X", "100X", "200X", "400X"):
        items = datasets.read(args.data, "breakhis", magnifications=(magnification,)).items
        chosen = rng.permutation(len(items))[:40]
        sizes = [d for i in chosen for d in diameters(np.asarray(reading.read(items[i].path)))]
        low, middle, high = np.percentile(sizes, (25, 50, 75))
        print(f"{magnification}: median {middle:.1f} px (quartiles {low:.1f} to {high:.1f}), {len(sizes)} objects")


if __name__ == "__main__":
    main()
