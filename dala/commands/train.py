"""Train networks on pictures sorted by patient, and score each on patients that it never saw.

    python -m dala train --data phantom --out runs/phantom                              (no data set needed)
    python -m dala train --data phantom:ink --out runs/phantom-decoy                    (ink on the malignant ones)
    python -m dala train --data BreaKHis_v1 --init IMAGENET1K_V2 --out runs/dala
    python -m dala train --data BreaKHis_v1 --init IMAGENET1K_V2 --out runs/dala --resume
    python -m dala train --root DIR --data weights/sources/breakhis.json --data weights/sources/tissue_tiles.json
    python -m dala train --data my_patches --format folder --init weights/model.safetensors --split holdout
    torchrun --nproc-per-node 4 -m dala train --data BreaKHis_v1 --views 0 --train-from stem --epochs 30 --batch 128

A probe comes first: the attention and the head are fitted to pooled features of the frozen initialization. The stages
from `--train-from` up are then fine-tuned together with them, because a head that already fits distorts the features
less (Kumar et al. 2022, arXiv 2202.10054). The features of the frozen stages are cached on disk for `--views` views of
each picture, so a fold takes minutes. No epoch is selected on held-out pictures. By default each patient is held out
once per partition, and a final network is then trained on all pictures: the folds estimate its performance.

Files in `--out`: `predictions.csv` (held-out logits), `report.json`, `split.json`, `settings.json`, a folder for each
fold, and `model.safetensors` with `config.json`. `python -m dala compare` and `evaluate` read them.
"""

import argparse
from typing import Any

from dala.training import cross_validation
from dala.training.config import OPTIONS, Settings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for every setting of a run."""
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    for name, option in OPTIONS.items():
        flag, default = "--" + name.replace("_", "-"), option.default
        text, choices = option.field.metadata["help"], option.field.metadata["choices"]
        arguments: dict[str, Any] = {"help": text, "default": default}
        if option.type is tuple:
            arguments["help"] += f" (default: {', '.join(default)})" if default else ""
            arguments |= {"action": Repeated}
        elif option.type is bool:
            arguments["action"] = argparse.BooleanOptionalAction if default else "store_true"
        else:
            arguments["help"] += "" if default is None else f" (default: {default})"
            arguments |= {"type": option.type, "choices": choices}
        parser.add_argument(flag, **arguments)


class Repeated(argparse.Action):
    """An option that is given once for each value; the first one replaces the default."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        """Add one value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, (*(() if before is self.default else before), values))


def run(args: argparse.Namespace) -> int:
    """Train, print the scores, and return the exit code."""
    report = cross_validation.train(Settings.from_options(**{name: getattr(args, name) for name in OPTIONS}))
    for name, (value, low, high) in report["scores"]["figures"].items():
        print(f"{name:18} {value:.3f}" + (f"  ({low:.3f} to {high:.3f})" if low is not None else ""))
    return 0
