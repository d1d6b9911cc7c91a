"""How good the explanation methods are where the evidence is known.

- `grid_pointing`: mosaics of real patches with a known ground truth.
- `measures`: every method and threshold rule against ground truth.
- `cases`: the pictures of the benchmark.
- `regions`: regions of a picture that its pixels define.
- `tissue_sets`: pictures of real tissue.
- `tissue_maps`: where on real tissue the maps lie.
- `tissue_conclusions`: sentences from these numbers.
- `tissue_report`: the same as Markdown.
- `conclusions`: sentences and choices from the numbers.
- `plots`: figures of the report.
- `report`: the report as Markdown.
"""
