"""How far one map can be trusted: deletion and insertion, randomization, robustness.

- `infill`: hide parts of a picture in the order of a map.
- `curves`: results of deletion and insertion.
- `blind`: a map among random maps of the same smoothness.
- `runs`: run the network on such pictures.
- `deletion`: run the network on a picture with parts hidden.
- `randomization`: does the map depend on the learned weights?
- `robustness`: does the map stay the same under perturbations of the picture?
- `verdict`: all checks of one map, and a verdict with its reasons.
"""
