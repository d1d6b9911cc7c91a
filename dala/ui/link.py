"""Choices are stored in the page's address, so that a link shares them: settings, never the picture."""

import json

__all__ = ["remember"]


def remember(name: str) -> str:
    """Return JavaScript for an `input` event, which only a visitor triggers: it puts the value into the page's address.

    Args:
        name: of the query parameter.
    """
    return """value => {
  const url = new URL(location.href);
  url.searchParams.set(NAME, value);
  history.replaceState(history.state, '', url);
}""".replace("NAME", json.dumps(name))
