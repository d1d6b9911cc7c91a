"""Choices are stored in the page's address, so that a link shares them: settings, never the picture."""

import json
from collections.abc import Sequence

__all__ = ["recall", "remember"]


def remember(name: str) -> str:
    """Return JavaScript for an `input` event, which only a visitor triggers: it puts the value into the page's address.

    Args:
        name: of the query parameter.
    """
    return f"value => dala.address.write({{[{json.dumps(name)}]: value}})"


def recall(name: str, choices: Sequence[str] = ()) -> str:
    """Return JavaScript for a `load` event: the value in the page's address, or no change where there is none.

    Args:
        name: of the query parameter.
        choices: possible values; empty for any text.
    """
    return """() => {
  const value = new URLSearchParams(location.search).get(NAME), choices = CHOICES;
  const known = value !== null && (!choices.length || choices.includes(value));
  return known ? {value, __type__: 'update'} : {__type__: 'update'};
}""".replace("NAME", json.dumps(name)).replace("CHOICES", json.dumps(list(choices)))
