"""How a page of a TIFF stores its pixels, from its tags: who can decode it, or why nobody here can."""

from dataclasses import dataclass

from dala.images import tiff_tags as tags
from dala.images.preprocessing import ImageError
from dala.images.tiff_tags import Page

__all__ = ["COMMON", "COMPRESSIONS", "NONE", "Layout", "layout"]

NONE, JPEG, OLD_JPEG = 1, 7, 6
COMMON = {NONE, 2, 3, 4, 5, OLD_JPEG, JPEG, 8, 32773, 32946}  # in any build of libtiff
READ = COMMON | {34925, 50000}
COMPRESSIONS = {
    1: "none", 2: "CCITT RLE", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG",
    8: "Deflate", 9: "JBIG", 10: "JBIG", 22610: "JPEG XR", 32766: "NeXT RLE", 32771: "CCITT RLE in words",
    32773: "PackBits", 32809: "ThunderScan", 32946: "Deflate", 32947: "Kodak DCS", 33003: "JPEG 2000",
    33004: "JPEG 2000", 33005: "JPEG 2000", 33007: "ALT JPEG", 34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv",
    34712: "JPEG 2000", 34713: "Nikon NEF", 34715: "JBIG2", 34887: "LERC", 34892: "lossy JPEG of DNG", 34925: "LZMA",
    34926: "Zstandard", 34927: "WebP", 34933: "PNG", 34934: "JPEG XR", 50000: "Zstandard", 50001: "WebP",
    50002: "JPEG XL", 50013: "PIXTIFF", 52546: "JPEG XL", 65000: "Kodak DCR", 65535: "Pentax PEF",
}  # fmt: skip
COLOURS = {
    0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab",
    10: "ITULab", 32803: "raw camera", 32844: "LogL", 32845: "LogLuv", 34892: "raw camera", 51177: "depth",
}  # fmt: skip
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
OWN_SAMPLES = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
KINDS = {1: "u", 2: "i", 3: "f"}
KIND_NAMES = {"u": "", "i": "signed ", "f": "float "}
UNSPECIFIED, ASSOCIATED, ALPHA = 0, 1, 2
# Single channels: what `dala.images.tiff_pixels` takes uncompressed, and what Pillow decodes by libtiff.
RAW_GREY = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f16", "f32", "f64"}
PILLOW_GREY = {"u1", "u2", "u4", "u8", "u16", "i8"}
PILLOW_LITTLE_ENDIAN = {"u32", "i16", "i32", "f32"}  # of big-endian ones, Pillow swaps bytes that are in order
SAVE = "save it with 8 bits per channel as RGB or grey, uncompressed or with LZW"
CLASSIC = "save it as a classic TIFF, or little-endian"


@dataclass(frozen=True)
class Layout:
    """The layout of a page's pixels.

    Attributes:
        photometric, compression, samples, planar: the values of these tags.
        bits, kind: of a sample; "u", "i" or "f" for unsigned, signed and float.
        extra: what the samples beyond the colours are; () where no tag says it.
        swapped: big-endian.
        reversed: bits of a byte in the order of FillOrder 2.
        foreign: a big-endian BigTIFF, which Pillow takes for a classic one.
    """

    photometric: int
    compression: int
    samples: int
    planar: int
    bits: int
    kind: str
    extra: tuple[int, ...]
    swapped: bool
    reversed: bool
    foreign: bool

    @property
    def own(self) -> int:
        """Samples of the colours themselves."""
        return OWN_SAMPLES[self.photometric]

    @property
    def raw(self) -> bool:
        """Whether the samples lie in the file as they are, and in another way than Pillow is known to read well."""
        plain = self.bits == 8 and self.kind == "u" and self.planar == 1 and self.samples in (1, 3) and not self.foreign
        return (
            self.compression == NONE
            and not self.reversed
            and f"{self.kind}{self.bits}" in RAW_GREY
            and self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK)
            and not plain
        )

    @property
    def single(self) -> bool:
        """Whether this is one channel of grey."""
        return self.samples == 1 and self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)

    @property
    def unnamed(self) -> bool:
        """Whether no tag says what the channel beside red, green and blue is."""
        return self.photometric == RGB and self.samples == 4 and not self.extra

    def __str__(self) -> str:
        compression = f", {COMPRESSIONS[self.compression]}" if self.compression != NONE else ""
        channels = "channel" if self.samples == 1 else "channels"
        kind = f"{self.bits}-bit {KIND_NAMES[self.kind]}{COLOURS[self.photometric]}"
        return f"{kind}, {self.samples} {channels}{compression}"


def layout(page: Page) -> Layout:
    """The layout of a page that is read.

    Raises:
        ImageError: one that is not, by name.
    """
    compression, photometric = page.number(tags.COMPRESSION, 1), page.number(tags.PHOTOMETRIC, WHITE_IS_ZERO)
    if compression not in READ:
        raise ImageError(unread(compression))
    if photometric not in OWN_SAMPLES:
        name = COLOURS.get(photometric, f"number {photometric}")
        raise ImageError(f"This TIFF holds colours of the kind {name}, which is not read: save it as RGB.")
    if photometric == YCBCR and compression not in (JPEG, OLD_JPEG):
        raise ImageError("This TIFF holds YCbCr colours without JPEG compression, which is not read: save it as RGB.")
    samples = page.number(tags.SAMPLES, 3 if compression == OLD_JPEG and photometric in (RGB, YCBCR) else 1)
    bits, formats = set(page.numbers(tags.BITS, (1,))), set(page.numbers(tags.FORMAT, (1,)))
    if len(bits) > 1 or len(formats) > 1 or not formats <= set(KINDS):
        raise ImageError(f"This TIFF mixes kinds of numbers, or holds complex or unknown ones: {SAVE}.")
    swapped = page.order == ">"
    found = Layout(
        photometric=photometric,
        compression=compression,
        samples=samples,
        planar=page.number(tags.PLANAR, 1),
        bits=bits.pop(),
        kind=KINDS[formats.pop()],
        extra=page.numbers(tags.EXTRA),
        swapped=swapped,
        reversed=page.number(tags.FILL_ORDER, 1) == 2,
        foreign=page.big and swapped,
    )
    if reason := _channels(found, page):
        raise ImageError(reason)
    if found.foreign and not found.raw:
        raise ImageError(f"Big-endian BigTIFF with compression or palette ({found}) is not read: {CLASSIC}.")
    if not (_raw_is_read(found) if found.raw else _pillow_reads(found)):
        raise ImageError(f"This kind of TIFF is not read ({found}): {SAVE}.")
    return found


def unread(compression: int) -> str:
    """The refusal of a compression that nothing here decodes."""
    name = COMPRESSIONS.get(compression, f"number {compression}")
    kind = "is damaged or not read here" if compression in READ else "is not read"
    return f"The compression of this TIFF, {name}, {kind}: save it with LZW, Deflate or JPEG compression, or as PNG."


def _channels(found: Layout, page: Page) -> str | None:
    """What is wrong with the number of channels, or with the palette."""
    more = found.samples - found.own
    grey = found.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
    if grey and more > 0 and (more > 1 or found.extra not in ((ASSOCIATED,), (ALPHA,))):
        return (
            f"This TIFF holds {found.samples} channels and does not say that they are red, green and blue: "
            "save it as RGB."
        )
    if more < 0 or (more != len(found.extra) and not found.unnamed):
        return f"This TIFF does not say what its {found.samples} channels are ({found}): save it as RGB."
    if found.photometric == CMYK and page.number(tags.INK_SET, 1) != 1:
        return "This TIFF holds other inks than cyan, magenta, yellow and black, which is not read: save it as RGB."
    if found.photometric == PALETTE:
        colours = page.numbers(tags.COLOUR_MAP)
        if len(colours) != 3 << found.bits or max(colours) < 256:
            return "The palette of this TIFF is damaged: save it as RGB."
    return None


def _raw_is_read(found: Layout) -> bool:
    kind = f"{found.kind}{found.bits}"
    if found.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and found.samples == 1:
        return kind in RAW_GREY
    alpha = [e for e in found.extra if e in (ASSOCIATED, ALPHA)]
    if alpha and (len(alpha) > 1 or found.photometric == CMYK):
        return False
    return kind == "u8" or (kind == "u16" and ASSOCIATED not in alpha)


def _pillow_reads(found: Layout) -> bool:
    """Whether this is one of the layouts that the tests compare with other decoders."""
    kind, extra = f"{found.kind}{found.bits}", found.extra
    if found.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        if found.samples == 2:
            return kind == "u8" and extra == (ALPHA,) and found.planar == 1 and found.photometric == BLACK_IS_ZERO
        if found.photometric == WHITE_IS_ZERO:
            return kind in ("u1", "u2", "u4", "u8") or (kind in ("u16", "f32") and not found.swapped)
        return kind in PILLOW_GREY or (kind in PILLOW_LITTLE_ENDIAN and not found.swapped)
    if found.photometric == PALETTE:
        return kind in ("u1", "u2", "u4", "u8") and (not extra or kind == "u8")
    if found.photometric == RGB:
        return _pillow_reads_rgb(kind, found)
    return kind == "u8" or (found.photometric == CMYK and kind == "u16" and not extra)


def _pillow_reads_rgb(kind: str, found: Layout) -> bool:
    first, rest = found.extra[:1], found.extra[1:]
    if any(rest) or len(rest) > 2 or (rest and first != (UNSPECIFIED,) and found.planar == 2):
        return False
    if kind == "u8":
        return first in ((), (UNSPECIFIED,), (ASSOCIATED,), (ALPHA,))
    # Rounded to 8 bits before it is divided by opacity, a colour would be off by more than 2.
    return kind == "u16" and first in ((), (UNSPECIFIED,), (ALPHA,)) and (not rest or found.planar == 2)
