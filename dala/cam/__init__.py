"""CAM methods: pure functions of feature maps and gradients, in one registry.

The modules are imported in a fixed order, which is the order of `METHODS` and of every menu: where two methods are
equally good, the study of explanations takes the first.
"""

# isort: skip_file
from dala.cam import gradient, eigen, controls, ablation, perturbation
from dala.cam.core import DEFAULT_METHOD, METHODS, Head, Method, MethodsError, load_own, method, score_gradient

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "Head",
    "Method",
    "MethodsError",
    "ablation",
    "controls",
    "eigen",
    "gradient",
    "load_own",
    "method",
    "perturbation",
    "score_gradient",
]
