"""The network of the app: from `DALA_MODEL`, from the commit that a Space is pinned to, or the shipped one."""

import os
import sys
from pathlib import Path

from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.files import ROOT, read_json
from dala.models import pretrained, serialization

__all__ = ["PIN", "load"]

PIN = "space.json"  # next to app.py: {"model": "user/repo@commit"}


def load(root: Path = ROOT) -> tuple[Explainer, str]:
    """Load the network, and return it with a note for the page where it is not the requested one.

    `DALA_MODEL` has priority, and must load. Otherwise the network that `space.json` pins is loaded, or, if that fails,
    the shipped one, so that the page works and names the network that runs.

    Raises:
        WeightsError: the network of `DALA_MODEL`, or the shipped one, cannot be used.
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
