"""Compare cross-validated runs, with paired tests on the same resampled patients."""

import numpy as np

from dala.errors import DalaError
from dala.evaluation import bootstrap, metrics
from dala.evaluation.predictions import Predictions
from dala.hub.scores import Comparison, ComparisonRow, Difference, PairedTests, ValueInterval
from dala.markdown import interval, table

__all__ = ["CompareError", "compare", "markdown"]

COLUMNS = {
    "auc": "AUC of images",
    "balanced_accuracy": "Balanced accuracy",
    "patient_auc": "AUC of patients",
    "accuracy": "Accuracy",
    "patient_score": "Patient score",
}
DIFFERENCES = ("Δ AUC of images", "Δ balanced accuracy")


class CompareError(DalaError):
    """Runs that cannot be compared; the message says in what they differ."""


def compare(runs: dict[str, Predictions], against: str, n: int = 1000) -> Comparison:
    """Compute metrics of each run with 95 % intervals, and test each run against one of them; plain JSON.

    A metric is the mean over the partitions of a run. Intervals and tests resample patients
    (`dala.evaluation.bootstrap`); a test uses the partitions that both runs have. Probabilities are not calibrated.

    Args:
        runs: predictions by title.
        against: title of the run against which the others are tested.
        n: number of resamples.

    Returns:
        `against`, `resamples` and `runs`: by title `partitions`, `folds` (of each partition), `figures` (value, low,
        high by name) and, except for `against`, `difference` (number of paired `partitions`, and value, low, high, p
        by name). Undefined numbers are None.

    Raises:
        CompareError: a partition or a run with other pictures or another split.
        MetricsError: fewer than one resample.
    """
    if against not in runs:
        raise CompareError(f"There is no run {against}.")
    parts = {title: _by_partition(title, run) for title, run in runs.items()}
    # Check everything before the first bootstrap, which takes long.
    shared = {title: _shared(title, own, against, parts[against]) for title, own in parts.items()}
    result: dict[str, ComparisonRow] = {}
    for title, own in parts.items():
        result[title] = _row(list(own.values()), n)
        if title != against:
            pairs = [(own[k], parts[against][k]) for k in shared[title]]
            result[title]["difference"] = _difference(pairs, n)
    return {"against": against, "resamples": n, "runs": result}


def markdown(result: Comparison) -> str:
    """Format the result of `compare` as a Markdown table with a sentence on how to read it."""
    rows = []
    for title, run in result["runs"].items():
        cells = [_interval(run["figures"][name]) for name in COLUMNS]
        folds = sorted(set(run["folds"]))
        count = f"{run['partitions']} × {'/'.join(map(str, folds))}"
        paired = run.get("difference")
        tests = [paired["auc"], paired["balanced_accuracy"]] if paired else [None] * len(DIFFERENCES)
        rows.append([title, *cells, count, *(_test(test, result["resamples"]) for test in tests)])
    head = ["Run", *COLUMNS.values(), "Partitions × folds", *DIFFERENCES]
    return (
        f"{table(head, rows)}\n\n"
        f"In brackets: 95 % interval of {result['resamples']} bootstrap resamples of the patients. "
        f"Δ: difference to {result['against']}, on the same resamples of the partitions that both have; "
        "p is two-sided and not corrected for the number of runs.\n"
    )


def _by_partition(title: str, run: Predictions) -> dict[int, Predictions]:
    parts = run.partitions()
    for part in parts[1:]:
        _same_pictures(
            f"Partition {part.partition[0]} of {title}", part, f"partition {parts[0].partition[0]}", parts[0]
        )
    return {int(part.partition[0]): part for part in parts}


def _same_pictures(one: str, a: Predictions, other: str, b: Predictions) -> None:
    only = [sorted(set(x.picture) - set(y.picture)) for x, y in ((a, b), (b, a))]
    if any(only):
        example = next(pictures[0] for pictures in only if pictures)
        raise CompareError(
            f"{one} has {len(only[0])} pictures that {other} has not, and lacks {len(only[1])} of its, "
            f"as {example}: only runs on the same pictures can be compared."
        )
    for name in ("label", "patient"):
        differ = np.flatnonzero(getattr(a, name) != getattr(b, name))
        if len(differ):
            raise CompareError(f"{one} and {other} give picture {a.picture[differ[0]]} another {name}.")


def _shared(title: str, own: dict[int, Predictions], against: str, others: dict[int, Predictions]) -> list[int]:
    """Return the partitions that both runs have."""
    first, other = next(iter(own.values())), next(iter(others.values()))
    if first.class_names != other.class_names:
        raise CompareError(
            f"{title} has the classes {', '.join(first.class_names)}, and {against} {', '.join(other.class_names)}: "
            "only runs with equal classes can be compared."
        )
    _same_pictures(title, first, against, other)
    shared = [k for k in own if k in others]
    if not shared:
        raise CompareError(f"{title} and {against} have no partition in common.")
    for k in shared:
        differ = np.flatnonzero(own[k].fold != others[k].fold)
        if len(differ):
            raise CompareError(
                f"{title} and {against} are not of the same split: partition {k} has patient "
                f"{own[k].patient[differ[0]]} in fold {own[k].fold[differ[0]]} of the one and "
                f"{others[k].fold[differ[0]]} of the other."
            )
    return shared


def _stack(parts: list[Predictions]) -> np.ndarray:
    return np.stack([part.probabilities() for part in parts])


def _row(parts: list[Predictions], n: int) -> ComparisonRow:
    labels, patients, probabilities = parts[0].label, parts[0].patient, _stack(parts)
    values = metrics.figures(labels, probabilities, patients)
    intervals = bootstrap.intervals(labels, probabilities, patients, n)
    return {
        "partitions": len(parts),
        "folds": [len(np.unique(part.fold)) for part in parts],
        "figures": {
            name: {"value": _plain(values[name]), "low": _plain(low), "high": _plain(high)}
            for name, (low, high) in intervals.items()
        },
    }


def _difference(pairs: list[tuple[Predictions, Predictions]], n: int) -> PairedTests:
    first = pairs[0][0]
    own, others = (_stack(list(side)) for side in zip(*pairs, strict=True))
    tests = bootstrap.paired(first.label, own, others, first.patient, n)
    rows: dict[str, Difference] = {
        name: {"value": _plain(d.value), "low": _plain(d.low), "high": _plain(d.high), "p": _plain(d.p)}
        for name, d in tests.items()
    }
    return {
        "partitions": len(pairs),
        "auc": rows["auc"],
        "balanced_accuracy": rows["balanced_accuracy"],
        "patient_auc": rows["patient_auc"],
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)


def _interval(figure: ValueInterval, sign: bool = False) -> str:
    return "–" if figure["low"] is None else interval(figure["value"], figure["low"], figure["high"], sign=sign)


def _test(difference: Difference | None, n: int) -> str:
    if difference is None or difference["p"] is None:
        return "–"
    p = difference["p"]
    text = f"p ≤ {p:.2g}" if p <= 1 / n else f"p = {p:.3f}"
    return f"{_interval(difference, sign=True)}, {text}"
