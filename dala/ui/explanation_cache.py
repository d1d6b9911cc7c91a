"""A cache of recent explanations: a patch that many visitors open at once is explained once."""

import hashlib
from collections.abc import Hashable
from weakref import ref

from PIL import Image

from dala.explain.explainer import Explainer, Question
from dala.explain.explanation import Explanation
from dala.lru import LRU

__all__ = ["EXPLANATIONS", "ExplanationCache"]


class ExplanationCache:
    """Explanations by network, pixels and question.

    Args:
        capacity: number of explanations, each of about 5 MB at 700x460 pixels.
    """

    def __init__(self, capacity: int = 32) -> None:
        # With its network, since a later one may have the same id; a weak reference, which keeps no network alive.
        self._explanations: LRU[Hashable, tuple[ref[Explainer], Explanation]] = LRU(capacity)

    def explain(
        self, explainer: Explainer, picture: Image.Image, question: Question, zoom: float | None = None
    ) -> Explanation:
        """Return the result of `Explainer.explain_image`, without gradient, on the CPU; `seconds` is of the first call.

        Raises:
            ImageError, TargetError, ExplainError: see `Explainer.explain`.
        """
        pixels = hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
        key = (id(explainer), picture.mode, picture.size, pixels, question, zoom)
        network, explanation = self._explanations.get(key) or (None, None)
        if explanation is None or network is None or network() is not explainer:
            explanation = explainer.explain_image(picture, question, zoom).without_gradient()
            self._explanations.put(key, (ref(explainer), explanation))
        return explanation


EXPLANATIONS = ExplanationCache()
