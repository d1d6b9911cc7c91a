"""What a visitor chose stands in the page's address, so that a link shares it: settings, never the picture."""

import json

__all__ = ["remember"]


def remember(name: str) -> str:
    """JavaScript for an event that the visitor's choice sets off, and no update from here: value -> the address."""
    return """value => {
  const url = new URL(location.href);
  url.searchParams.set(NAME, value);
  history.replaceState(history.state, '', url);
}""".replace("NAME", json.dumps(name))
