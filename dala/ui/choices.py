"""The choice of a method, which several tabs offer: the fast methods, and an explanation by one of them."""

from dala import cam
from dala.explain.explanation import Explanation
from dala.ui.current import Current
from dala.ui.session import Page

__all__ = ["by_method", "quick_methods"]


def quick_methods() -> list[tuple[str, str]]:
    """Return (title, name) of every method that does not rerun the network, as choices of a component."""
    return [(method.title, name) for name, method in cam.METHODS.items() if not method.reruns]


def by_method(page: Page, current: Current, method: str) -> Explanation:
    """Return the current explanation by one method; the network does not process the picture again.

    Raises:
        ExplainError: an unknown method.
    """
    e = current.explanation
    return e if list(e.maps) == [method] else page.explainer(current).retarget(e, e.target, methods=(method,))
