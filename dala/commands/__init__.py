"""One module per command: `add_arguments(parser)`, and `run(args)`, which returns the exit code."""

import sys

__all__ = ["refuse"]


def refuse(message: str, code: int = 2) -> int:
    """Print on stderr why a command cannot run; returns the exit code."""
    print(message, file=sys.stderr)
    return code
