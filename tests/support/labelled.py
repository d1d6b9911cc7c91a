"""Folders of labelled pictures for the readers of data sets."""

from pathlib import Path

import numpy as np
from PIL import Image


def place(root: Path, kinds: dict[str, int], name: str = "{}", side: int = 40) -> Path:
    """Pictures of noise in a folder for each class; the same name gives the same picture."""
    for kind, count in kinds.items():
        (root / kind).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            rng = np.random.default_rng([k, *f"{root.name}/{kind}".encode()])
            picture = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
            picture.save(root / kind / f"{name.format(k)}.png")
    return root
