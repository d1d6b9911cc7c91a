"""DALAResNet50 and DT Grad-CAM: see what a network looks at in breast tissue. For teaching, not for diagnosis."""

from dala.explain import Explainer
from dala.explanation import Explanation
from dala.images import ImageError
from dala.model import DALAResNet50
from dala.weights import WeightsError, load

__all__ = ["DALAResNet50", "Explainer", "Explanation", "ImageError", "WeightsError", "load"]
__version__ = "0.1.0"
