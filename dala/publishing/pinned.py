"""Which network the app runs: the host's own choice, the one that a Space is pinned to, or the shipped one."""

import os
import sys
from pathlib import Path

from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.files import ROOT, read_json
from dala.models import pretrained, serialization

__all__ = ["PIN", "load"]

PIN = "space.json"  # beside app.py: {"model": "user/repo@commit"}


def load(root: Path = ROOT) -> tuple[Explainer, str]:
    """The network, and a note for the page where it is not the one that was wanted.

    `DALA_MODEL` goes first, and what it names must load. Else the network that `space.json` pins, and when the Hub does
    not give it, the shipped one: a page with a network that says which is worth more than none.

    Raises:
        WeightsError: the host's choice, or the shipped weights, cannot be used.
    """
    pinned = None if os.environ.get("DALA_MODEL") else _pinned(root / PIN)
    if pinned is None:
        return Explainer.load(), ""
    try:
        return Explainer.load(pinned), ""
    except DalaError as error:
        print(f"{error} The shipped weights run instead.", file=sys.stderr)
        return Explainer.load(pretrained.SHIPPED), f"the shipped weights, since {pinned} could not be loaded"


def _pinned(file: Path) -> str | None:
    if not file.is_file():
        return None
    try:
        return str(read_json(file)["model"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise serialization.WeightsError(f'{file}: must be {{"model": "user/repo@commit"}}.') from error
