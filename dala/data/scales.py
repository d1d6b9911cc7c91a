"""The scale of a set against that of the first one: a zoom for every picture."""

from dataclasses import dataclass, replace

from dala.data.items import DataError, Item
from dala.data.source_files import Source
from dala.images.preprocessing import Preprocessing

__all__ = ["Reference", "check", "of_first", "of_weights", "scaled"]


@dataclass(frozen=True)
class Reference:
    """The scale that pictures are resized to: that of the first set, or of the pictures that weights were trained on.

    Attributes:
        magnification: such as "100X", if it is known and one.
        um_per_pixel: if it is known.
        zoom: that the first set states itself.
    """

    magnification: str | None = None
    um_per_pixel: float | None = None
    zoom: float = 1.0


def of_first(source: Source) -> Reference:
    """The scale of the first set, as far as it states one."""
    single = source.magnifications[0] if len(source.magnifications) == 1 else None
    return Reference(source.magnification or single, source.um_per_pixel, source.zoom or 1.0)


def of_weights(preprocessing: Preprocessing) -> Reference:
    """The scale of the pictures that weights were trained on, before these were enlarged."""
    um = preprocessing.um_per_pixel
    return Reference(preprocessing.magnification, um and um * preprocessing.enlargement)


def check(source: Source, reference: Reference) -> None:
    """Check that a set states its scale in units that the reference has, too.

    Raises:
        DataError: it does not; the message says what is missing.
    """
    if not source.has_scale:
        raise DataError(
            f"{source.title}: its scale is not stated: describe the set in a source file with `zoom`, `um_per_pixel` "
            "or `magnification`."
        )
    if source.zoom:
        return
    if source.um_per_pixel:
        if not reference.um_per_pixel:
            raise DataError(
                f"{source.title}: has {source.um_per_pixel:g} µm per pixel, but those of the first set are not known: "
                "state them there (--um-per-pixel), or a `zoom` here."
            )
    elif not reference.magnification or "," in reference.magnification:
        raise DataError(
            f"{source.title}: states a magnification, but the first set has not exactly one: state one there, or a "
            "`zoom` here."
        )


def scaled(item: Item, source: Source, reference: Reference) -> Item:
    """Return an item with the zoom to the reference's scale; without one if its set states no scale."""
    if not source.has_scale:
        return item
    if source.zoom:
        return replace(item, zoom=source.zoom / reference.zoom)
    if source.um_per_pixel and reference.um_per_pixel:
        return replace(item, zoom=source.um_per_pixel / reference.um_per_pixel)
    zooms = [float(str(text).removesuffix("X")) for text in (reference.magnification, item.magnification)]
    return replace(item, zoom=zooms[0] / zooms[1])
