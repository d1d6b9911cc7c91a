"""DALAResNet50 and DT Grad-CAM: see what a network looks at in breast tissue. For teaching, not for diagnosis."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dala.explain.explainer import Explainer
    from dala.explain.explanation import Explanation
    from dala.images.preprocessing import ImageError
    from dala.models.dala_resnet import DALAResNet50
    from dala.models.pretrained import load
    from dala.models.serialization import WeightsError

__all__ = ["DALAResNet50", "Explainer", "Explanation", "ImageError", "WeightsError", "load"]
__version__ = "0.1.0"

PLACES = {
    "DALAResNet50": "models.dala_resnet",
    "Explainer": "explain.explainer",
    "Explanation": "explain.explanation",
    "ImageError": "images.preprocessing",
    "WeightsError": "models.serialization",
    "load": "models.pretrained",
}


def __getattr__(name: str) -> Any:
    # When first asked for: torch takes seconds, in which the command line can tell of bad arguments and of Ctrl-C.
    if name not in PLACES:
        raise AttributeError(f"module 'dala' has no attribute {name!r}")
    return getattr(import_module(f"dala.{PLACES[name]}"), name)
