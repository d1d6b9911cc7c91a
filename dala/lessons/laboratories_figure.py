"""The figure of the lesson on laboratories: recipes at home against outside."""

from collections.abc import Sequence

from markupsafe import Markup

from dala.lessons import svg
from dala.publishing.laboratories_text import Point

__all__ = ["chart"]


def chart(drawn: Sequence[Point]) -> Markup:
    """Draw each recipe as a point, numbered in their order, as SVG in the colours of the page.

    Args:
        drawn: two or more, the published first.
    """
    each = "; ".join(f"{p.title}: {p.value:.2f} at home, {p.outside:.2f} outside" for p in drawn)
    return svg.plane(
        [(p.value, p.outside) for p in drawn],
        ("AUC at home, patients held out", "mean AUC outside"),
        f"Recipes by AUC at home and mean AUC outside. {each}.",
    )
