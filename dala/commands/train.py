"""`python -m dala train`."""

import argparse
from dataclasses import fields
from types import NoneType, UnionType
from typing import get_args, get_type_hints

from dala.training import cross_validation
from dala.training.config import Settings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every setting of a run is an option."""
    parser.description, parser.formatter_class = cross_validation.__doc__, argparse.RawDescriptionHelpFormatter
    types = get_type_hints(Settings)
    for field in fields(Settings):
        flag, kind = "--" + field.name.replace("_", "-"), types[field.name]
        if isinstance(kind, UnionType):
            kind = next(k for k in get_args(kind) if k is not NoneType)
        about = {"help": field.metadata["help"], "default": field.default}
        if kind is bool:
            action = argparse.BooleanOptionalAction if field.default else "store_true"
            parser.add_argument(flag, action=action, **about)
        else:
            about["help"] += "" if field.default is None else f" (default: {field.default})"
            parser.add_argument(flag, type=kind, choices=field.metadata.get("choices"), **about)


def run(args: argparse.Namespace) -> int:
    """Train; the exit code."""
    report = cross_validation.train(Settings(**{f.name: getattr(args, f.name) for f in fields(Settings)}))
    for name, (value, low, high) in report["scores"]["figures"].items():
        print(f"{name:18} {value:.3f}" + (f"  ({low:.3f} to {high:.3f})" if low is not None else ""))
    return 0
