"""Recent explanations: a patch that several visitors have open is explained once."""

import hashlib
from collections.abc import Hashable
from weakref import WeakValueDictionary, ref

from PIL import Image

from dala.explain.explainer import Explainer, Question
from dala.explain.explanation import Explanation

__all__ = ["EXPLANATIONS", "ExplanationCache"]


class ExplanationCache:
    """Explanations by network, pixels and question, for as long as a session, or anybody else, holds them.

    It keeps none itself: when a visitor has left, nothing of the picture stays.
    """

    def __init__(self) -> None:
        # By the network's reference, since a later network may have the same id.
        self._explanations: WeakValueDictionary[Hashable, Explanation] = WeakValueDictionary()

    def explain(
        self, explainer: Explainer, picture: Image.Image, question: Question, zoom: float | None = None
    ) -> Explanation:
        """Return the result of `Explainer.explain_image`, without gradient, on the CPU; `seconds` is of the first call.

        Raises:
            ImageError, TargetError, ExplainError: see `Explainer.explain`.
        """
        pixels = hashlib.blake2b(memoryview(picture.tobytes()), digest_size=16).digest()
        key = (ref(explainer), picture.mode, picture.size, pixels, question, zoom)
        explanation = self._explanations.get(key)
        if explanation is None:
            explanation = explainer.explain_image(picture, question, zoom).without_gradient()
            self._explanations[key] = explanation
        return explanation

    def __len__(self) -> int:
        """Return the number of explanations that somebody holds."""
        return len(self._explanations)


EXPLANATIONS = ExplanationCache()
