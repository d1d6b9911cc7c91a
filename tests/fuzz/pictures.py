"""Thousands of damaged pictures through `dala.images.reading.read`: each gives a picture or one sentence, soon.

    python tests/fuzz/pictures.py --n 20000

The inputs are the same for the same seed, on any machine with the same Pillow.
"""

import argparse
import os
import random
import re
import struct
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np
from PIL import Image, ImageCms

from dala.images import preprocessing, reading
from dala.images.preprocessing import ImageError
from dala.phantoms import phantom
from tests.fuzz.hard import BOMBS, LARGEST, encode, tiff

MOST_SECONDS, MOST_MB = 2.0, 600
# Numbers at the edges of what a header's fields hold.
EDGES = [
    b"\0",
    b"\1",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\x7f\xff\xff\xff",
    b"\xff" * 4,
    b"\xff" * 8,
]


def bases(seed: int) -> list[bytes]:
    """Sound pictures of every kind and mode, of 48x40 pixels of a phantom."""
    patch = phantom.make(seed, size=(48, 40)).picture
    gray = np.asarray(patch.convert("L"))
    turned = Image.Exif()
    turned[0x0112] = 6
    pages = {"save_all": True, "append_images": [patch.rotate(180)]}
    found = [encode(patch.convert(mode), "PNG") for mode in ("RGB", "RGBA", "L", "LA", "1", "P")]
    found += [encode(patch.quantize(16), "PNG", transparency=3), encode(patch, "PNG", exif=turned)]
    found += [encode(Image.fromarray(gray.astype(np.uint16) * 200), "PNG")]
    found += [encode(patch, "JPEG", exif=turned), encode(patch, "JPEG", progressive=True)]
    found += [encode(patch.convert(mode), "JPEG") for mode in ("L", "CMYK")]
    found += [
        encode(patch, "WEBP"),
        encode(patch.convert("RGBA"), "WEBP", lossless=True),
        encode(patch, "WEBP", **pages),
    ]
    found += [encode(patch.quantize(16), "GIF"), encode(patch.quantize(16), "GIF", **pages)]
    found += [encode(patch.convert(mode), "BMP") for mode in ("RGB", "RGBA", "L", "1", "P")]
    found += [
        encode(patch, "TIFF", compression=c) for c in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    ]
    found += [encode(patch.convert("1"), "TIFF", compression="group4"), encode(patch, "TIFF", **pages)]
    found += [tiff(gray.astype(kind)) for kind in (np.uint16, ">u2", np.float32, np.int32)]
    found += [
        tiff(gray, tile=(16, 16)),
        tiff(gray, bigtiff=True),
        tiff(gray.astype(np.uint16), photometric="miniswhite"),
    ]
    return found


def more_bases(seed: int) -> list[bytes]:
    """Sound pictures whose tags decide, with headers of their own, run lengths or a colour profile."""
    patch = phantom.make(seed, size=(48, 40)).picture
    array, profile = np.asarray(patch), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    planes = np.moveaxis(array, -1, 0).copy()
    composite = {"imagej": True, "metadata": {"axes": "CYX", "mode": "composite"}}
    found = [encode(patch, kind) for kind in ("JPEG2000", "AVIF")]
    found += [encode(patch, "JPEG2000", no_jp2=True), encode(patch, "PNG", icc_profile=profile)]
    found += [tiff(planes.astype(kind) * 257, photometric="rgb") for kind in ("<u2", ">u2")]
    found += [tiff(planes, **composite), tiff(planes, tile=(16, 16), photometric="rgb", planarconfig="separate")]
    found += [tiff(array[..., 0].astype(np.int8)), tiff(array[..., 0].astype(np.float64), bigtiff=True, byteorder=">")]
    palette = bytes(v for k in range(256) for v in (k, 255 - k, k, 0))
    runs = b"".join(b"".join(bytes((1, v)) for v in row) + b"\0\0" for row in array[..., 0]) + b"\0\1"
    head = struct.pack("<LllHHLLllLL", 40, *patch.size, 1, 8, 1, len(runs), 0, 0, 256, 0)
    found.append(b"BM" + struct.pack("<LHHL", 1078 + len(runs), 0, 0, 1078) + head + palette + runs)
    return found


def made(rng: random.Random) -> bytes:
    """Bytes that no picture was made of: noise, markup or text, often behind the first bytes of a picture."""
    starts = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0",
              b"GIF89a", b"BM", b"RIFF\x40\0\0\0WEBPVP8X", b"<svg>", b"<html>", b"%PDF-1.7"]  # fmt: skip
    return rng.choice(starts) + rng.randbytes(rng.choice([0, 1, 7, 30, 300, 3000]))


def mutated(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """A sound picture with one to eight things done to its bytes, most of them near its start."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        if not data:
            break
        at = min(int(len(data) * rng.random() ** rng.choice([1, 3])), len(data) - 1)
        what = rng.randrange(7)
        if what == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            data[at] = rng.randrange(256)
        elif what == 2:
            edge = rng.choice(EDGES)
            data[at : at + len(edge)] = edge
        elif what == 3:
            del data[at : at + rng.choice([1, 4, 64])]
        elif what == 4:
            data[at:at] = data[at : at + rng.choice([1, 16, 256])] * rng.choice([1, 3])
        elif what == 5:
            del data[at:]
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            data[at : at + 32] = other[start : start + 32]
    return bytes(data)


def outcome(content: bytes) -> str:
    """What became of the bytes, "a picture" or the sentence; AssertionError where that is neither."""
    try:
        picture = reading.read(content)
    except ImageError as error:
        told = str(error)
        assert told.endswith(".") and told.isprintable() and len(told) < 200, repr(told)
        return re.sub(r"\d+", "#", told)
    assert picture.mode == "RGB" and min(picture.size) >= preprocessing.MIN_SIDE, (picture.mode, picture.size)
    assert not picture.info and len(picture.tobytes()) == 3 * picture.width * picture.height
    return "a picture"


def corpus(n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of n inputs: what is made to cost, the largest sound ones, what was made up, damaged pictures."""
    rng, sound = random.Random(seed), [*bases(seed), *more_bases(seed)]
    hard = [*((name, make) for name, (make, _) in BOMBS.items()), *LARGEST.items()][:n]
    yield from ((name, make()) for name, make in hard)
    for number in range(n - len(hard)):
        content = made(rng) if number % 10 == 0 else mutated(rng, rng.choice(sound), sound)
        yield f"input {number}", content


def megabytes(of: str) -> float:
    """Memory of this process, VmRSS now or VmHWM at most since it started; as Linux counts it."""
    found = re.search(rf"{of}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def main() -> int:
    """Run; 1 where an input gave anything but a picture or a sentence, or took too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    kinds: Counter[str] = Counter()
    slowest, failures = (0.0, ""), []
    outcome(encode(Image.new("RGB", (64, 64)), "PNG"))
    before = megabytes("VmRSS")
    for name, content in corpus(args.n, args.seed):
        began = time.process_time()
        try:
            kinds[what := outcome(content)] += 1
            assert name not in LARGEST or what == "a picture", what
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
        slowest = max(slowest, (time.process_time() - began, name))
    grown = megabytes("VmHWM") - before
    print(f"{args.n} inputs, seed {args.seed}: {kinds.pop('a picture', 0)} pictures, {kinds.total()} refusals")
    for sentence, times in kinds.most_common():
        print(f"{times:7} {sentence}")
    print(
        f"slowest {slowest[0]:.2f} s of the processor ({slowest[1]}); memory {before:.0f} MB, at most {grown:.0f} more"
    )
    print(*failures, sep="\n", end="\n" * bool(failures))
    return int(bool(failures) or slowest[0] > MOST_SECONDS or not 0 < grown < MOST_MB)


if __name__ == "__main__":
    raise SystemExit(main())
