"""Command line: `dala explain | train | ...`, or `python -m dala ...`.

Exit codes: 0 for success, 2 for bad input (one sentence on stderr), 130 after Ctrl-C, 141 if the output was closed.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

from dala import files
from dala.commands import refuse
from dala.errors import DalaError

__all__ = ["main"]

# Only the chosen command's module is imported: most commands need more packages than the app and `explain` do.
COMMANDS = {
    "explain": "write Grad-CAM and DT Grad-CAM of pictures as files",
    "train": "train a network and score it on held-out patients",
    "phantom": "draw synthetic patches with known evidence, with or without a decoy",
    "data": "check a data set before training on it",
    "compare": "compare networks on the same folds",
    "evaluate": "score weights on labelled pictures",
    "report": "write the report and the model card of a cross-validated run",
    "evaluate-explanations": "measure how far explanations can be trusted; also `evaluate explanations`",
    "evaluate-tissue": "measure where on real tissue the maps lie; also `evaluate tissue`",
    "evaluate-laboratories": "score recipes on laboratories held out; also `evaluate laboratories`",
    "trust": "check whether the map of one picture can be trusted",
    "gate": "measure the average attention gate, which the app compares a patch with",
    "shift": "fit the check that warns of pictures from a laboratory unlike those in training",
    "publish": "upload weights and their model card to the Hugging Face Hub",
    "publish-space": "host the app as a Hugging Face Space",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: those after the program's name; by default the process's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Characters that the terminal's encoding lacks are printed as \uNNNN.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except DalaError as error:
        return refuse(f"{error} Use {error.hint}." if error.hint else str(error))
    except KeyboardInterrupt:
        return refuse("Interrupted.", 130)
    except OSError as error:
        if error.errno not in {*files.REFUSALS, errno.EPIPE}:
            raise
        if error.filename is None and not sys.stdout.closed:
            _discard_output()
        # A closed pipe is no error: `head` closes it once it has its lines.
        return 141 if error.errno == errno.EPIPE else refuse(files.refused(error, error.filename or "The output"))
    return code


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["evaluate"] and "-".join(arguments[:2]) in COMMANDS:
        arguments[:2] = ["-".join(arguments[:2])]
    program = "dala" if Path(sys.argv[0]).stem == "dala" else "python -m dala"
    parser = argparse.ArgumentParser(prog=program, description="Explain breast tissue patches, train, publish.")
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    module = None
    if arguments[:1] and arguments[0] in COMMANDS:
        name = arguments[0]
        try:
            module = import_module(f"dala.commands.{name.replace('-', '_')}")
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package == "dala":
                raise
            return refuse(
                f"`{name}` needs {package}: pip install -r requirements-train.txt; where dala is installed as a "
                'package, pip install "dala[train]".'
            )
        module.add_arguments(parsers[name])
    args = parser.parse_args(arguments)
    assert module is not None  # noqa: S101  the parser has refused every other command  # nosec B101
    return int(module.run(args))


def _discard_output() -> None:
    """Redirect stdout to the null device, so that the interpreter's final flush does not fail again."""
    with suppress(OSError, ValueError):  # a stream without a file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
