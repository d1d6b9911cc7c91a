"""Generated pictures unlike a patch: pages, windows, plots, shapes, blank slides, noise, other modalities."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["blank_slides", "drawings", "fluorescence", "gradients", "mammograms", "noise", "pages", "plots", "windows"]

WORDS = (
    "the",
    "patch",
    "was",
    "cut",
    "stained",
    "and",
    "scanned",
    "at",
    "a",
    "scale",
    "that",
    "nobody",
    "wrote",
    "down",
)

Random = np.random.Generator
Size = tuple[int, int]


def pages(rng: Random) -> Iterator[Image.Image]:
    for _ in range(16):
        size = int(rng.integers(300, 700)), int(rng.integers(300, 700))
        paper = tuple(map(int, rng.integers((235, 225, 215), 256)))
        page = Image.new("RGB", size, paper)
        _write(ImageDraw.Draw(page), (20, 20, size[0] - 20, size[1] - 20), int(rng.integers(10, 22)), (30, 30, 40), rng)
        yield page


def windows(rng: Random) -> Iterator[Image.Image]:
    """Windows of programs: bars, buttons, panels, text in any colours."""
    for _ in range(20):
        size = int(rng.integers(400, 900)), int(rng.integers(300, 600))
        back, bar, panel, accent = (tuple(map(int, rng.integers(low, 256, 3))) for low in (180, 0, 150, 0))
        window = Image.new("RGB", size, back)
        draw = ImageDraw.Draw(window)
        draw.rectangle((0, 0, size[0], 36), bar)
        draw.rectangle((0, 36, size[0] // 4, size[1]), panel)
        for y in range(60, size[1] - 40, 48):
            draw.rounded_rectangle((14, y, size[0] // 4 - 14, y + 28), 6, accent)
        _write(draw, (size[0] // 4 + 20, 56, size[0] - 20, size[1] - 20), int(rng.integers(11, 18)), (20, 20, 20), rng)
        yield window


def plots(rng: Random) -> Iterator[Image.Image]:
    """Lines, bars, points and heat maps as matplotlib draws them, among them in purple and pink."""
    from matplotlib.figure import Figure

    colours = ("tab:blue", "purple", "hotpink", "tab:green", "black")
    for i in range(20):
        figure = Figure((5, 4), dpi=int(rng.integers(50, 110)))
        axes, colour = figure.subplots(), colours[i % len(colours)]
        if i % 4 == 0:
            axes.plot(rng.normal(size=(80, 3)).cumsum(0), color=None if i % 8 else colour)
        elif i % 4 == 1:
            axes.bar(range(9), rng.random(9), color=colour)
        elif i % 4 == 2:
            axes.scatter(*rng.normal(size=(2, 400)), c=rng.random(400), cmap="RdPu" if i % 8 == 2 else "viridis")
        else:
            axes.imshow(rng.random((12, 16)), cmap=("magma", "RdPu", "coolwarm")[i % 3], aspect="auto")
        axes.set_title("accuracy by epoch")
        stream = BytesIO()
        figure.savefig(stream, format="png")
        yield Image.open(stream)


def drawings(rng: Random) -> Iterator[Image.Image]:
    """Flat shapes in random colours."""
    for _ in range(14):
        size = int(rng.integers(100, 500)), int(rng.integers(100, 500))
        picture = Image.new("RGB", size, tuple(map(int, rng.integers(0, 256, 3))))
        draw = ImageDraw.Draw(picture)
        for _ in range(int(rng.integers(4, 30))):
            corners = (rng.random((int(rng.integers(3, 6)), 2)) * size).astype(int)
            draw.polygon([tuple(map(int, c)) for c in corners], tuple(map(int, rng.integers(0, 256, 3))))
        yield picture


def mammograms(rng: Random) -> Iterator[Image.Image]:
    """A bright breast of smooth density before black, with a mass: grey as X-rays are."""
    for i in range(16):
        size = int(rng.integers(200, 500)), int(rng.integers(250, 600))
        yy, xx = np.mgrid[: size[1], : size[0]] / np.array(size[::-1])[:, None, None]
        breast = np.clip(6 * (1 - np.hypot(xx / rng.uniform(0.6, 0.95), (yy - 0.5) / rng.uniform(0.35, 0.5))), 0, 1)
        density = 0.25 + 0.4 * smooth(rng, size, 60) + 0.2 * smooth(rng, size, 12) + 0.08 * rng.random(size[::-1])
        mass = np.exp(-(((xx - 0.35) ** 2 + (yy - rng.uniform(0.3, 0.7)) ** 2) / rng.uniform(0.002, 0.01)))
        picture = _grey(breast * (density + 0.3 * mass))
        yield picture if i % 2 else picture.crop((0, size[1] // 3, size[0] // 2, size[1] // 3 + size[0] // 2))


def blank_slides(rng: Random) -> Iterator[Image.Image]:
    """Glass, paper and coloured light: one colour, uneven light, the noise of a camera, specks of dust."""
    colours = ((255, 255, 255), (240, 235, 238), (244, 215, 228), (128, 128, 128), (225, 200, 235), (0, 0, 0))
    for i in range(30):
        size = int(rng.integers(50, 700)), int(rng.integers(50, 460))
        values = np.full((size[1], size[0], 3), colours[i % 6], np.float32)
        if i >= 6:
            values *= 1 - 0.15 * smooth(rng, size, 200)[..., None]
            values += rng.normal(0, rng.uniform(0.5, 4), values.shape)
        picture = Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))
        if i >= 18:
            for x, y in (rng.random((4, 2)) * size).astype(int):
                ImageDraw.Draw(picture).ellipse((x, y, x + 3, y + 3), (90, 85, 80))
        yield picture


def fluorescence(rng: Random) -> Iterator[Image.Image]:
    """Bright nuclei and fibres before black, in one to three channels."""
    for i in range(20):
        size = int(rng.integers(100, 500)), int(rng.integers(100, 500))
        nuclei = Image.new("L", size)
        for x, y in (rng.random((size[0] * size[1] // 900, 2)) * size).astype(int):
            radius = int(rng.integers(4, 9))
            ImageDraw.Draw(nuclei).ellipse((x, y, x + radius, y + radius), int(rng.integers(90, 256)))
        blue = np.asarray(nuclei.filter(ImageFilter.GaussianBlur(1.2)), np.float32) / 255
        other = np.clip(2 * np.abs(smooth(rng, size, 9) - 0.5), 0, 1) * smooth(rng, size, 60)
        red, green = (other if i % 3 == 2 else 0 * blue), (other if i % 3 else 0 * blue)
        values = np.stack([red, green, blue], -1) + rng.normal(0.02, 0.01, (*blue.shape, 3))
        yield Image.fromarray(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8))


def noise(rng: Random) -> Iterator[Image.Image]:
    """White, coloured and smooth noise; every third in the mean colours of the stain."""
    for i in range(24):
        size = int(rng.integers(50, 400)), int(rng.integers(50, 400))
        if i % 2:
            values = np.stack([smooth(rng, size, 2 ** (1 + i % 6)) for _ in range(3)], -1)
        else:
            values = rng.random((size[1], size[0], 3)) if i % 4 else rng.random((size[1], size[0], 1)).repeat(3, 2)
        if i % 3 == 0:
            values = np.array([0.78, 0.55, 0.74]) + 0.4 * (values - 0.5)
        yield Image.fromarray(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8))


def gradients(rng: Random) -> Iterator[Image.Image]:
    """From one colour to another, along a line or from a middle; every fourth from purple to pink."""
    for i in range(20):
        size = int(rng.integers(50, 600)), int(rng.integers(50, 500))
        yy, xx = np.mgrid[: size[1], : size[0]] / np.array(size[::-1])[:, None, None]
        turn = rng.uniform(0, 2 * np.pi)
        line = np.hypot(xx - 0.5, yy - 0.5) if i % 2 else np.cos(turn) * (xx - 0.5) + np.sin(turn) * (yy - 0.5)
        line = (line - line.min()) / np.ptp(line)
        first, last = rng.integers(0, 256, (2, 3)) if i % 4 else np.array([[90, 40, 130], [250, 190, 220]])
        values = first + line[..., None] * (last - first)
        yield Image.fromarray(np.rint(values).astype(np.uint8))


def _write(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], points: int, ink: object, rng: Random) -> None:
    font = ImageFont.load_default(points)
    for y in range(box[1], box[3] - points, int(points * 1.5)):
        line = " ".join(rng.choice(WORDS, 30))[: int((box[2] - box[0]) / (0.55 * points))]
        draw.text((box[0], y), line, ink, font)  # type: ignore[arg-type]


def smooth(rng: Random, size: Size, sigma: float) -> np.ndarray:
    """A random field, (H, W) float32 in [0, 1], smooth over about `sigma` px."""
    small = max(2, round(size[0] / sigma)), max(2, round(size[1] / sigma))
    field = Image.fromarray(rng.random(small[::-1]).astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    values = np.asarray(field)
    return (values - values.min()) / (np.ptp(values) + 1e-6)


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8))
