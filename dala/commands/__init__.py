"""One file per command of `python -m dala`: add_arguments(parser) and run(args) -> exit code."""

import sys

__all__ = ["refuse"]


def refuse(sentence: str, code: int = 2) -> int:
    """Say on stderr why something cannot be done; the exit code."""
    print(sentence, file=sys.stderr)
    return code
