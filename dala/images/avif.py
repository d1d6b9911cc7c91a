"""Whether an AVIF has more than 8 bits a channel, which Pillow reduces less exactly than other decoders."""

from typing import BinaryIO

from dala.images.boxes import boxes
from dala.images.preprocessing import ImageError

__all__ = ["check"]

MOST_BYTES = 1_000_000  # of the box of properties
DEPTHS, HIGH = b"av1C", 0x40  # two bytes behind its name, high_bitdepth of the AV1 specification


def check(stream: BinaryIO) -> None:
    """Refuse 10 and 12 bits; the stream's position is restored.

    Raises:
        ImageError: the sentence.
        ValueError: damaged boxes.
    """
    start = stream.tell()
    for kind, place, end in boxes(stream, 0, stream.seek(0, 2)):
        if kind == b"meta":
            stream.seek(place)
            parts = stream.read(min(end - place, MOST_BYTES)).split(DEPTHS)[1:]
            if any(len(part) > 2 and part[2] & HIGH for part in parts):
                raise ImageError(
                    "This AVIF has more than 8 bits per channel, which is not read: save it as PNG or TIFF."
                )
    stream.seek(start)
