"""Duplicate pictures, which leak from training into testing even if no patient does."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image, ImageStat

from dala.data.items import Item

__all__ = ["NEAR", "Duplicates", "Fingerprint", "Pair", "digest", "find", "fingerprint"]

HASH_SIZE = 16
BITS = HASH_SIZE**2
# Largest distance of near duplicates. Measured on BreakHis at 100X (429 pictures): JPEG of quality 30 or half the size
# changes at most 8 of the 256 bits, 20 % more brightness at most 34, while the nearest of 85,156 pairs of two patients
# differ in 90. Of 76 million pairs of IDC patches of two patients, one differs in 54 bits, the next in 78.
NEAR = 40
# Standard deviation in grey levels below which a picture is blank, and its hash only shows the illumination: of 12,415
# IDC patches the blank one has 1.5, and the next 5.7.
BLANK = 3.0
ROWS = 512


@dataclass(frozen=True)
class Fingerprint:
    """Digest of size and pixels, and the bits of a perceptual hash, None for a blank picture."""

    pixels: str
    bits: np.ndarray | None


@dataclass(frozen=True)
class Pair:
    """Two near duplicates, and the number of the 256 bits in which their hashes differ."""

    first: Item
    second: Item
    distance: int


@dataclass(frozen=True)
class Duplicates:
    """Pictures that occur more than once.

    Attributes:
        exact: groups of pixel-identical pictures that span several patients or classes.
        near: pairs across patients or classes that look alike and are not identical, nearest first.
        within: number of pictures that are identical to another of the same patient and class.
        blank: number of pictures too uniform for a perceptual hash.
    """

    exact: list[list[Item]]
    near: list[Pair]
    within: int
    blank: int

    @property
    def two_labels(self) -> list[list[Item]]:
        """Groups of identical pictures with more than one label."""
        return [group for group in self.exact if len({i.label for i in group}) > 1]


def digest(picture: Image.Image) -> str:
    """Compute a hash of the size and the pixels of an RGB picture."""
    return hashlib.sha256(f"{picture.width}x{picture.height}:".encode() + picture.tobytes()).hexdigest()


def fingerprint(picture: Image.Image) -> Fingerprint:
    """Compute the fingerprint of a picture.

    The perceptual hash (pHash: signs of the lowest 16x16 frequencies of the grey picture against their median) is
    robust to re-encoding, scaling and brightness, but not to rotation, mirroring or a crop of more than a few per cent.

    Args:
        picture: RGB.
    """
    grey = picture.convert("L")
    blank = ImageStat.Stat(grey).stddev[0] < BLANK
    bits = None if blank else imagehash.phash(grey, hash_size=HASH_SIZE).hash.ravel()
    return Fingerprint(digest(picture), bits)


def find(items: Sequence[Item], fingerprints: Sequence[Fingerprint], near: int = NEAR) -> Duplicates:
    """Find pictures that occur more than once, across patients and classes.

    The cost is quadratic in the number of pictures: 2 s and 100 MB for 12,500 of them on one core; computing their
    fingerprints costs more.

    Args:
        items: labelled pictures.
        fingerprints: one for each item, in the same order.
        near: largest distance of near duplicates, in bits.
    """
    copies: dict[str, list[Item]] = defaultdict(list)
    for item, own in zip(items, fingerprints, strict=True):
        copies[own.pixels].append(item)
    exact = [group for group in copies.values() if len({_side(i) for i in group}) > 1]
    within = sum(len(group) - len({_side(i) for i in group}) for group in copies.values())
    return Duplicates(exact, _near(items, fingerprints, near), within, sum(f.bits is None for f in fingerprints))


def _side(item: Item) -> tuple[str, int]:
    return item.patient, item.label


def _near(items: Sequence[Item], fingerprints: Sequence[Fingerprint], near: int) -> list[Pair]:
    # One of identical pictures of a patient and class is enough: the others have the same pairs.
    first = {(f.pixels, _side(i)): n for n, (i, f) in enumerate(zip(items, fingerprints, strict=True))}
    kept = sorted(n for n in first.values() if fingerprints[n].bits is not None)
    if not kept:
        return []
    bits = np.stack([np.asarray(fingerprints[n].bits) for n in kept])
    pairs = [
        Pair(items[kept[a]], items[kept[b]], distance)
        for a, b, distance in _close(bits, near)
        if _side(items[kept[a]]) != _side(items[kept[b]])
        and fingerprints[kept[a]].pixels != fingerprints[kept[b]].pixels
    ]
    return sorted(pairs, key=lambda p: p.distance)


def _close(bits: np.ndarray, near: int) -> Iterator[tuple[int, int, int]]:
    """Yield (row, row, distance) for pairs of rows of bits (n, 256) that differ in at most `near` bits."""
    # With bits as +1 and -1, the scalar product is agreements minus differences: BLAS compares a block of rows at once.
    signs = np.where(bits, np.float32(1), np.float32(-1))
    for start in range(0, len(signs), ROWS):
        distance = (BITS - signs[start : start + ROWS] @ signs[start:].T) / 2
        for a, b in np.argwhere(distance <= near):
            if a < b:
                yield start + int(a), start + int(b), int(distance[a, b])
