"""HTML from Jinja2 templates. Text is escaped by default, so a name in a config or a report never becomes markup."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["render"]

PACKAGE = Path(__file__).parent
ENVIRONMENT = Environment(
    autoescape=True,
    undefined=StrictUndefined,
    loader=FileSystemLoader(PACKAGE),
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: Path, **values: Any) -> Markup:
    """Fill in a template.

    Args:
        template: a file of this package, usually `Path(__file__).with_name(...)`, so that it moves with its reader.
        values: variables of the template. Strings are escaped; `Markup`, such as the result of another template or an
            SVG chart, is inserted as it is.

    Returns:
        Markup, which other templates do not escape again.
    """
    text = ENVIRONMENT.get_template(template.relative_to(PACKAGE).as_posix()).render(values)
    # The template has escaped every value.
    return Markup(text)  # noqa: S704  # nosec B704
