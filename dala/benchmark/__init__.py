"""How good the explanation methods are where the evidence is known.

- `grid_pointing`: mosaics of real patches with a known ground truth.
- `measures`: every method and threshold rule against ground truth.
- `cases`: the pictures of the benchmark.
- `conclusions`: sentences and choices from the numbers.
- `plots`: figures of the report.
- `report`: the report as Markdown.
"""
