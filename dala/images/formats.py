"""Which files are pictures: by their endings in a folder, by their first bytes when they are read."""

import re
from pathlib import Path

from PIL import Image, features

from dala.images.preprocessing import ImageError
from dala.images.tiff_tags import HEADS

__all__ = ["READ", "SUFFIXES", "UNREAD", "format_of", "pictures", "plugin"]

Image.init()  # otherwise Pillow knows only the formats that are registered on import
READ = ("PNG", "JPEG", "TIFF", "WebP", "BMP", "GIF", "JPEG 2000", "AVIF")
# Endings of pictures of which none is read.
UNREAD = {".heic", ".heif", ".jxl", ".dcm", ".czi"}
# Endings of pictures in a folder. What is in such a file is read, or refused with a sentence.
SUFFIXES = UNREAD | {
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".webp", ".bmp", ".dib", ".gif", ".avif",
    ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".svs", ".ndpi", ".scn", ".bif", ".qptiff", ".lsm", ".stk",
}  # fmt: skip
USE = "use PNG, JPEG, TIFF, WebP, BMP or GIF"
OTHERS = "save it as PNG or TIFF"
FEATURES = {"JPEG 2000": "jpg_2000", "AVIF": "avif", "WebP": "webp"}
JP2, ISO = b"\0\0\0\x0cjP  \r\n\x87\n", b"ftyp"
HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
PNM = re.compile(rb"P[1-6][\s#]")
# First bytes of formats that are not read, with their place.
NAMES: tuple[tuple[int, bytes, str], ...] = (
    (128, b"DICM", "DICOM"), (0, b"ZISRAWFILE", "Zeiss CZI"), (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"), (0, b"II\xbc", "JPEG XR"), (0, b"8BPS", "Photoshop PSD"),
    (0, b"%PDF", "PDF"), (0, b"%!PS", "PostScript"), (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"\xda\xce\xbe\n", "Nikon ND2"),
    (0, b"\x70\0\0\0", "Leica LIF"), (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE container, such as Olympus OIB"),
    (0, b"v/1\x01", "OpenEXR"), (0, b"qoif", "QOI"), (0, b"P7\n", "PAM"),
    (0, b"PF\n", "PFM"), (0, b"Pf\n", "PFM"),
    (0, b"\0\0\1\0", "ICO"), (0, b"DDS ", "DDS"), (0, b"SIMPLE  =", "FITS"),
    (0, b"#?RADIANCE", "Radiance HDR"), (0, b"\x01\xda", "SGI"), (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (0, b"icns", "ICNS"), (0, b"\x93NUMPY", "NumPy"), (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x0a\x05\x01", "PCX"), (0, b"gimp xcf", "GIMP XCF"), (0, b"FUJIFILMCCD-RAW", "raw camera"),
    (0, b"\x8bJNG", "JNG"), (0, b"\x8aMNG", "MNG"), (0, b"BPG\xfb", "BPG"),
)  # fmt: skip


def format_of(head: bytes) -> str:
    """The name, of `READ`, of the format that a file's first 132 bytes or more show.

    Raises:
        ImageError: one that is not read, by name where it has a known signature.
    """
    if name := _read(head):
        feature = FEATURES.get(name)
        if plugin(name) in Image.OPEN and (not feature or features.check(feature)):
            return name
        raise ImageError(f"The Pillow installed here does not read {name}: {OTHERS}.")
    found = next((name for place, mark, name in NAMES if head[place : place + len(mark)] == mark), None)
    if head[4:8] == ISO and head[8:12] in HEIF:
        found = "HEIC"
    if PNM.match(head):
        found = "PNM"
    if found is None:
        raise ImageError(f"This is not a picture in a known format: {USE}.")
    if found[0].islower():
        raise ImageError(f"This is {found}, which is not read: {USE}.")
    raise ImageError(f"The format {found} is not read: {OTHERS}.")


def plugin(name: str) -> str:
    """Pillow's own name of a format."""
    return name.upper().replace(" ", "")


def _read(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(HEADS):
        return "TIFF"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"BM"):
        return "BMP"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head.startswith((JP2, b"\xff\x4f\xff\x51")):
        return "JPEG 2000"
    # The first brand of an AVIF may also be that of HEIF in general.
    brands = head[8 : int.from_bytes(head[:4], "big")] if head[4:8] == ISO else b""
    if brands.startswith((b"avif", b"avis")) or (brands.startswith((b"mif1", b"msf1")) and b"avif" in brands):
        return "AVIF"
    return None


def pictures(root: Path) -> list[Path]:
    """List the picture files in and below a folder, sorted by path; hidden files and `__MACOSX` are skipped."""
    return sorted(
        p
        for p in root.rglob("*")
        if p.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") or part == "__MACOSX" for part in p.relative_to(root).parts)
        and p.is_file()
    )
