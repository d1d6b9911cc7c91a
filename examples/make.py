"""Generate the example pictures: the phantoms always, the crops of a real slide if `--svs` names it.

Run from anywhere: python examples/make.py [--svs CMU-1-Small-Region.svs]
"""

import argparse
import hashlib
import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PHANTOMS = {  # name: (seed, malignant, decoy)
    "phantom_malignant": (72, True, None),
    "phantom_benign": (72, False, None),
    "phantom_plain": (82, True, None),
    "phantom_ink": (82, True, "ink"),
}
SLIDE_SHA256 = "ed92d5a9f2e86df67640d6f92ce3e231419ce127131697fbbce42ad5e002c8a7"
WIDTH, HEIGHT = 700, 460
CROPS = {"skin_follicle": (900, 2050), "skin_dermis": (520, 2500), "skin_keratin": (850, 1450)}  # left, top at level 0


def make_phantoms(out: Path) -> None:
    """Write each phantom (RGB, 700 x 460 pixels), the mask of its focus and, if any, its decoy's (0 or 255)."""
    # The script is outside the package: add the checkout to Python's path.
    sys.path.insert(0, str(HERE.parent))
    from dala.phantoms import phantom

    for name, (seed, malignant, decoy) in PHANTOMS.items():
        patch = phantom.make(seed, malignant, (WIDTH, HEIGHT), decoy)
        patch.picture.save(out / f"{name}.png", optimize=True)
        Image.fromarray(patch.mask).convert("L").save(out / f"{name}_mask.png")
        if decoy:
            Image.fromarray(patch.decoy).convert("L").save(out / f"{name}_decoy.png")


def make_crops(svs: Path, out: Path) -> None:
    """Cut the crops (700 x 460 pixels, level 0) from the slide `svs` and write them to the folder `out`."""
    if hashlib.sha256(svs.read_bytes()).hexdigest() != SLIDE_SHA256:
        raise SystemExit(f"{svs} is not the slide the crops were chosen on (SHA-256 {SLIDE_SHA256}).")
    with Image.open(svs) as slide:
        level0 = slide.convert("RGB")
    for name, (left, top) in CROPS.items():
        crop = level0.crop((left, top, left + WIDTH, top + HEIGHT))
        crop.save(out / f"{name}.jpg", quality=92, subsampling=0)


def main() -> None:
    """Read the command line and write the pictures next to this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svs", type=Path, help="the slide CMU-1-Small-Region.svs; without it the crops stay as is")
    svs = parser.parse_args().svs
    make_phantoms(HERE)
    if svs:
        make_crops(svs, HERE)


if __name__ == "__main__":
    main()
