"""Pictures unlike a haematoxylin-eosin patch, by kind: photographs that come with packages, and generated ones.

Nothing is downloaded: the photographs are those inside the wheels of scikit-image, scikit-learn, matplotlib and Gradio.
A crop counts as a picture of its own, but never overlaps another of the same photograph. Everything is seeded.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import gradio
import matplotlib
import numpy as np
import skimage
import sklearn
from PIL import Image, ImageOps

from tests.support import non_tissue_drawn as drawn

__all__ = ["KINDS", "NEIGHBOURS", "make", "photograph"]

SKIMAGE = Path(skimage.__file__).parent / "data"
SKLEARN = Path(sklearn.__file__).parent / "datasets" / "images"
MATPLOTLIB = Path(matplotlib.__file__).parent / "mpl-data"
GRADIO = Path(gradio.__file__).parent / "media_assets" / "images"
APP = Path(__file__).resolve().parents[2] / ".github" / "app.png"

PHOTOGRAPHS = (
    *(SKIMAGE / f"{name}" for name in ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png")),
    SKIMAGE / "rocket.jpg",
    SKLEARN / "china.jpg",
    SKLEARN / "flower.jpg",
    MATPLOTLIB / "sample_data" / "grace_hopper.jpg",
    *(GRADIO / name for name in ("cheetah1.jpg", "lion.jpg", "tower.jpg", "bus.png", "groot.jpeg")),
)
GREY = tuple(SKIMAGE / f"{n}.png" for n in ("camera", "brick", "grass", "gravel", "coins", "clock_motion", "cell"))

Random = np.random.Generator


def make(kind: str, seed: int = 0) -> list[Image.Image]:
    """Return all pictures of one of `KINDS` or `NEIGHBOURS`, RGB, the same for the same seed."""
    rng = np.random.default_rng([seed, *kind.encode()])
    return [picture.convert("RGB") for picture in (KINDS | NEIGHBOURS)[kind](rng)]


@cache
def photograph(file: Path) -> Image.Image:
    """Read a photograph, transparency over white, at most 720 px a side."""
    picture = Image.open(file).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    picture.thumbnail((720, 720))
    return picture


def details(picture: Image.Image, rng: Random, sides: tuple[int, ...] = (60, 140, 260)) -> Iterator[Image.Image]:
    """Crop one square from each third of the picture's width, at a random place."""
    third = picture.width // 3
    for column, side in enumerate(rng.permutation(sides)):
        side = int(min(side, third, picture.height))
        left = column * third + int(rng.integers(0, third - side + 1))
        upper = int(rng.integers(0, picture.height - side + 1))
        yield picture.crop((left, upper, left + side, upper + side))


def photographs(rng: Random) -> Iterator[Image.Image]:
    yield from map(photograph, PHOTOGRAPHS)


def photograph_details(rng: Random) -> Iterator[Image.Image]:
    for file in PHOTOGRAPHS:
        yield from details(photograph(file), rng)


def recoloured(picture: Image.Image, hue: float, spread: float, saturation: float) -> Image.Image:
    """Compress all hues to a band around one, in turns of the colour wheel: 0.8 is purple, 0.92 pink."""
    h, s, v = (np.asarray(band, np.float32) / 255 for band in picture.convert("HSV").split())
    h = (hue + spread * (h - 0.5)) % 1
    s = np.clip(0.15 + saturation * s, 0, 1)
    bands = [Image.fromarray(np.rint(band * 255).astype(np.uint8)) for band in (h, s, v)]
    return Image.merge("HSV", bands).convert("RGB")


def purple_photographs(rng: Random) -> Iterator[Image.Image]:
    for file in PHOTOGRAPHS:
        yield recoloured(photograph(file), rng.uniform(0.74, 0.84), rng.uniform(0.05, 0.2), rng.uniform(0.4, 0.9))


def pink_photographs(rng: Random) -> Iterator[Image.Image]:
    for file in PHOTOGRAPHS:
        yield recoloured(photograph(file), rng.uniform(0.88, 0.96), rng.uniform(0.05, 0.2), rng.uniform(0.4, 0.9))


def two_toned_photographs(rng: Random) -> Iterator[Image.Image]:
    """Map brightness to purple, pink and white: the colours of the stain on pictures of other things."""
    for file in PHOTOGRAPHS:
        grey = ImageOps.autocontrast(photograph(file).convert("L"))
        purple, pink = rng.integers((50, 20, 90), (110, 60, 150)), rng.integers((200, 110, 160), (245, 170, 205))
        yield ImageOps.colorize(grey, tuple(map(int, purple)), "white", mid=tuple(map(int, pink)))


def grey_photographs(rng: Random) -> Iterator[Image.Image]:
    for file in GREY:
        yield photograph(file)
        yield from details(photograph(file), rng)


def faces(rng: Random) -> Iterator[Image.Image]:
    """Faces, 25x25 px in the package, enlarged: grey, and in the tones of skin."""
    for pixels in np.load(SKIMAGE / "lfw_subset.npy")[:100:10]:
        grey = Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).resize((200, 200), Image.Resampling.BICUBIC)
        yield grey
        yield ImageOps.colorize(grey, (40, 20, 15), (250, 225, 205), mid=(200, 140, 115))


def eyes_and_skies(rng: Random) -> Iterator[Image.Image]:
    """Fundus, its lesions, the deep sky, the moon, and details of them."""
    for name in ("retina.jpg", "hubble_deep_field.jpg", "moon.png", "microaneurysms.png"):
        picture = photograph(SKIMAGE / name)
        yield picture
        yield from details(picture, rng)


def pages(rng: Random) -> Iterator[Image.Image]:
    """Two photographed pages, and drawn ones."""
    yield photograph(SKIMAGE / "page.png")
    yield photograph(SKIMAGE / "text.png")
    yield from drawn.pages(rng)


def screenshots(rng: Random) -> Iterator[Image.Image]:
    """This app's own page, although it shows a patch, and drawn windows."""
    if APP.is_file():
        yield photograph(APP)
    yield from drawn.windows(rng)


def drawings(rng: Random) -> Iterator[Image.Image]:
    """Logos, boards, a playing card's back, and flat shapes."""
    files = [SKIMAGE / f"{n}.png" for n in ("logo", "horse", "chessboard_RGB", "color")]
    files += [MATPLOTLIB / "sample_data" / "Minduka_Present_Blue_Pack.png", GRADIO / "avatar.png"]
    yield from map(photograph, files)
    yield from drawn.drawings(rng)


def brown_stain(rng: Random) -> Iterator[Image.Image]:
    """Immunohistochemistry: tissue in haematoxylin and DAB, which is brown."""
    picture = photograph(SKIMAGE / "ihc.png")
    yield picture
    yield from details(picture, rng)


Maker = Callable[[Random], Iterator[Image.Image]]

KINDS: dict[str, Maker] = {
    "photographs": photographs,
    "details of photographs": photograph_details,
    "photographs in purple": purple_photographs,
    "photographs in pink": pink_photographs,
    "photographs in the stain's two tones": two_toned_photographs,
    "grey photographs": grey_photographs,
    "faces": faces,
    "eyes and skies": eyes_and_skies,
    "pages": pages,
    "screenshots": screenshots,
    "plots": drawn.plots,
    "drawings": drawings,
    "mammograms, imitated": drawn.mammograms,
    "fluorescence, imitated": drawn.fluorescence,
    "blank slides": drawn.blank_slides,
    "noise": drawn.noise,
    "colour gradients": drawn.gradients,
}
# Tissue in another stain: measured, but neither a hit nor a false alarm.
NEIGHBOURS: dict[str, Maker] = {"brown immunohistochemistry": brown_stain}
