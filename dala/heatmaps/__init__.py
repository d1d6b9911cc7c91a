"""Operations on a raw map: resizing, thresholds, rendering, files, comparison. No network.

- `resize`: resize and scale a map.
- `thresholds`: the rules of dynamic thresholds.
- `looks`: how a map and its thresholded part are drawn over the tissue.
- `render`: overlays and descriptions in words.
- `npz`: write maps as NPZ, and read untrusted ones.
- `similarity`: agreement of several maps of one picture.
- `localization`: agreement of a map with a ground-truth mask.
"""
