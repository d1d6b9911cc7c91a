"""What several tabs offer: the quick methods, and an explanation by one of them."""

from dala import cam
from dala.explain.explanation import Explanation
from dala.ui.session import Current, Page

__all__ = ["by_method", "quick_methods"]


def quick_methods() -> list[tuple[str, str]]:
    """(title, name) of every method that does not rerun the network, as choices of a component."""
    return [(method.title, name) for name, method in cam.METHODS.items() if not method.reruns]


def by_method(page: Page, current: Current, method: str) -> Explanation:
    """The explanation on screen, by one method; the picture does not go through the network again.

    Raises:
        ExplainError: an unknown method.
    """
    e = current.explanation
    return e if list(e.maps) == [method] else page.explainer(current).retarget(e, e.target, methods=(method,))
