"""`python -m dala explain | train | ...`. Bad input: one sentence on stderr, exit code 2."""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper

from dala import files
from dala.commands import refuse
from dala.errors import DalaError

__all__ = ["main"]

# Only what is asked for is imported: most commands need more packages than the app and `explain`.
COMMANDS = {
    "explain": "Grad-CAM and DT Grad-CAM of pictures, as files",
    "train": "train a network, and score it on patients it never saw",
    "phantom": "draw synthetic patches whose evidence is known, with or without a decoy",
    "data": "look a data set over before training on it",
    "compare": "networks side by side on the same folds",
    "evaluate": "score weights on pictures, or write the model card",
    "evaluate-explanations": "measure which explanations deserve trust; also `evaluate explanations`",
    "trust": "ask of one picture's map whether it deserves trust",
    "gate": "measure how far the attention opens on average, for the app",
    "publish": "put weights with their card on the Hugging Face Hub",
    "publish-space": "host the app as a Hugging Face Space",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What the terminal's encoding lacks is told as \\uNNNN.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except DalaError as error:
        return refuse(str(error))
    except KeyboardInterrupt:
        return refuse("Interrupted.", 130)
    except OSError as error:
        if error.errno not in {*files.REFUSALS, errno.EPIPE}:
            raise
        if error.filename is None and not sys.stdout.closed:
            _unheard()
        # Whoever reads the output has gone: as `head` does, once it has its lines.
        return 141 if error.errno == errno.EPIPE else refuse(files.refused(error, error.filename or "The output"))
    return code


def _run(given: list[str]) -> int:
    if given[:2] == ["evaluate", "explanations"]:
        given[:2] = ["evaluate-explanations"]
    parser = argparse.ArgumentParser(
        prog="python -m dala", description="Explain breast tissue patches, train, publish."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    module = None
    if given[:1] and given[0] in COMMANDS:
        try:
            module = import_module(f"dala.commands.{given[0].replace('-', '_')}")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("dala"):
                raise
            return refuse(f"`{given[0]}` needs {error.name}: pip install -r requirements-train.txt")
        module.add_arguments(parsers[given[0]])
    args = parser.parse_args(given)
    assert module is not None  # noqa: S101  the parser has refused every other command  # nosec B101
    return int(module.run(args))


def _unheard() -> None:
    """Let the interpreter flush at its end what could not be written, to nowhere."""
    with suppress(OSError, ValueError):  # a stream without a file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
