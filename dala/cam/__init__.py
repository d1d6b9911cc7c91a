"""CAM methods: pure functions of feature maps and gradients, in one registry.

The modules are imported in a fixed order, which is the order of `METHODS` and of every menu: where two methods are
equally good, the study of explanations takes the first.

- `targets`: scores to explain, functions of the logits.
- `core`: the signature and registry of methods, and their gradient.
- `gradient`: Grad-CAM and its relatives.
- `eigen`: the first principal component of feature maps.
- `ablation`: one channel removed, or one region alone.
- `perturbation`: methods that rerun the whole network.
- `controls`: maps that depend on neither picture nor network.
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
