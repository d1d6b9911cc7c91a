"""DALAResNet50 and DT Grad-CAM: see what a network looks at in breast tissue. For teaching, not for diagnosis."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dala.version import __version__

if TYPE_CHECKING:  # the same names for type checkers, which do not follow `__getattr__`; a test compares the two
    from dala.errors import DalaError as DalaError
    from dala.explain.explainer import Explainer as Explainer
    from dala.explain.explanation import Explanation as Explanation
    from dala.images.preprocessing import ImageError as ImageError
    from dala.images.preprocessing import Preprocessing as Preprocessing
    from dala.models import LoadedModel as LoadedModel
    from dala.models import load as load
    from dala.models.dala_resnet import DALAResNet50 as DALAResNet50
    from dala.models.serialization import WeightsError as WeightsError

_MODULES = {
    "DALAResNet50": "dala.models.dala_resnet",
    "DalaError": "dala.errors",
    "Explainer": "dala.explain.explainer",
    "Explanation": "dala.explain.explanation",
    "ImageError": "dala.images.preprocessing",
    "LoadedModel": "dala.models",
    "Preprocessing": "dala.images.preprocessing",
    "WeightsError": "dala.models.serialization",
    "load": "dala.models",
}
__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    # Imported on first use: torch takes seconds, in which the command line can report bad arguments and handle Ctrl-C.
    if name not in _MODULES:
        raise AttributeError(f"module 'dala' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
