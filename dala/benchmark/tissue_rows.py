"""Names of the measures and rows of `tissue_maps.json`, which the page shows without measuring anything."""

from typing import Final

__all__ = ["AUC", "CEILING", "CONTROLS", "LEAST", "STAIN", "STAIN_ON_GRID", "TUMOUR"]

TUMOUR = "tumour"
AUC: Final = "auc"
STAIN, STAIN_ON_GRID, CEILING = "stain", "stain_on_grid", "ceiling"
# Maps that are made from the picture or from the region alone, and their display names.
CONTROLS = {
    STAIN: "amount of stain",
    STAIN_ON_GRID: "amount of stain, on the maps' grid",
    CEILING: "ceiling of the maps' grid",
}
# A region is measured where it has this share of the area inside and outside: the ratio to a tiny area is noise.
LEAST = 0.02
