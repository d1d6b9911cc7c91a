"""Synthetic breast tissue in haematoxylin and eosin (H&E), with the evidence known to the pixel.

A phantom is built as a stained slide is: two maps contain the amounts of haematoxylin and eosin, and light that passes
through them gives the colour (Beer-Lambert law). Every patch contains one lesion: a malignant-like focus in one class,
an orderly proliferation in the other. Everything around it is drawn independently of the class, and both lesions
contain the same number of nuclei and the same stain (`dala.phantoms.lesions`): the focus is the only evidence. Its mask
is the ground truth for an explanation of a classifier.

The pictures imitate a 100X micrograph. They are a teaching aid and carry no diagnostic meaning.
All lengths below are pixels; stain amounts are optical densities (natural logarithm, 0 = clear glass).
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from dala.phantoms import artifacts as decoys
from dala.phantoms import background, lesions
from dala.phantoms.slide import Slide

__all__ = ["LABELS", "SIZE", "Phantom", "make"]

LABELS = ("benign", "malignant")
SIZE = (700, 460)
# Streams of random numbers: tissue, dye and camera of a seed are the same for both classes, with and without a decoy.
TISSUE, LESION, DECOY, CAMERA = range(4)


@dataclass(frozen=True)
class Phantom:
    """One synthetic patch.

    Attributes:
        picture: RGB, 8 bits.
        mask: bool (height, width), true on the malignant focus; all false without one.
        label: one of `LABELS`; of the lesion, or of the slide if labels are weak.
        region: bool (height, width), true on the lesion, malignant or benign.
        decoy: bool (height, width), true on the decoy; all false without one.
        nuclei: their number.
    """

    picture: Image.Image
    mask: np.ndarray
    label: str
    region: np.ndarray
    decoy: np.ndarray
    nuclei: int


def make(seed: int, malignant: bool = True, size: tuple[int, int] = SIZE, decoy: str | None = None) -> Phantom:
    """Draw the phantom of `seed`: a picture of `size` (width, height) pixels, and masks of its lesion and decoy.

    The lesion covers 15 to 25 % of the area. Nuclei and ducts have the same size in pixels for every `size`, as with
    one objective. The two classes of a seed differ only in the lesion, and a decoy changes only the pixels that it
    covers. The same arguments give the same bytes.

    Args:
        seed: of all random numbers, 0 or more.
        malignant: whether the lesion is malignant.
        size: width and height in pixels.
        decoy: one of `dala.phantoms.artifacts.DECOYS`, painted outside the lesion if possible; or None.
    """
    s = Slide(seed, size)
    s.draw_from(TISSUE)
    spot = background.spot(s)
    background.background(s, spot)
    dye = np.clip(s.rng.normal(1, (0.1, 0.14)), 0.7, 1.3)
    s.draw_from(LESION)
    both = lesions.twins(s, spot)
    slide, region = both[malignant]
    slide.h *= np.float32(dye[0])
    slide.e *= np.float32(dye[1])
    planted = np.zeros_like(region)
    if decoy is not None:
        slide.draw_from(DECOY)
        planted = decoys.plant(slide, decoy, both[0][1] | both[1][1])
    slide.draw_from(CAMERA)
    mask = region if malignant else np.zeros_like(region)
    return Phantom(slide.photograph(), mask, LABELS[malignant], region, planted, len(slide.centres))
