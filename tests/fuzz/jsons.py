"""JSON that is almost what a reader wants."""

import copy
import json
import random
from typing import Any

ODD: list[Any] = [
    None, True, 0, -1, 0.5, 1e308, float("nan"), float("inf"), 10**30, "", "x", "<img src=x onerror=alert(1)>", "a\nb",
    "\ud800", "../../x", [], [[]], {}, {"a": []}, [None] * 3, ["a"] * 3, "y" * 5000, [1e9, 1, 1],
]  # fmt: skip
NOT_JSON = [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"null", b"[]", b"3", b'"text"', b'"\\ud800"']


def mutated(rng: random.Random, value: Any) -> bytes:
    """Nothing of JSON, or the value with one to three of its parts replaced, removed, repeated or added."""
    if rng.random() < 0.1:
        return rng.choice(NOT_JSON)
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 2, 3])):
        value = _changed(rng, value)
    content = json.dumps(value).encode()
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.05 else content


def _changed(rng: random.Random, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return copy.deepcopy(rng.choice(ODD))
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    what = rng.randrange(8)
    if what == 0:
        del value[key]
    elif what == 1 and isinstance(value, list):
        value.append(copy.deepcopy(value[key]))
    elif what == 1:
        value[rng.choice(["extra", "", "<b>"])] = copy.deepcopy(rng.choice(ODD))
    else:
        value[key] = _changed(rng, value[key])
    return value
