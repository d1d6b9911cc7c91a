"""One module per command: `add_arguments(parser)`, and `run(args)`, which returns the exit code.

- `explain`: maps of pictures, as files.
- `trust`: checks of one map, and a verdict.
- `gate`: the mean gate, written to the folder of the weights.
- `shift`: the check of laboratories, written to the folder of the weights.
- `phantom`: a set of synthetic patches.
- `data`: check and split a data set.
- `_crops`: its action that cuts fields into crops.
- `train`: train and cross-validate networks.
- `evaluate`: score a network on a data set.
- `compare`: compare runs.
- `evaluate_explanations`: the benchmark of explanation methods.
- `evaluate_tissue`: where on real tissue the maps lie.
- `evaluate_laboratories`: recipes on laboratories held out.
- `report`: the report and card of runs.
- `publish`: upload a model.
- `publish_space`: upload a Space.
- `_send`: the upload that both share.
"""

import sys

__all__ = ["refuse"]


def refuse(message: str, code: int = 2) -> int:
    """Print on stderr why a command cannot run; returns the exit code."""
    print(message, file=sys.stderr)
    return code
