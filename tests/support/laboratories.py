"""A `laboratories.json` with three recipes on patients held out, two laboratories, a shift, and one class alone."""

from typing import Any


def scores(auc: float | None, called: float = 0.5, few: bool = False) -> dict[str, Any]:
    def around(value: float | None) -> list[float | None]:
        return [value, None, None] if value is None or few else [value, round(value - 0.1, 3), round(value + 0.05, 3)]

    return {"auc": around(auc), "balanced_accuracy": around(auc and auc - 0.05), "called": around(called)}


def laboratory(title: str, kind: str = "outside", *notes: str, by: str = "patient", benign: int = 40) -> dict[str, Any]:
    groups = benign + 40 if by == "picture" else 8
    return {
        "title": title, "kind": kind, "by": by, "pictures": benign + 40, "groups": groups,
        "classes": {"benign": benign, "malignant": 40}, "notes": list(notes),
    }  # fmt: skip


def recipe(network: str, home: float, tiles: float, fields: float, shift: float) -> dict[str, Any]:
    return {
        "network": network,
        "scores": {
            "home": scores(home),
            "tiles": scores(tiles, 0.8),
            "fields": scores(fields, few=True) | {"by_group": {"1008": fields}},
            "atypical": scores(None, 0.75),
            "blur": scores(shift),
        },
    }


WRONG = {
    "picture": "Stroma/<b>7.jpg", "patient": "7", "label": "benign", "predicted": "malignant", "probability": 0.97,
}  # fmt: skip
TABLE: dict[str, Any] = {
    "command": "python -m dala evaluate laboratories --row dala --out OUT",
    "resamples": 40,
    "laboratories": {
        "home": laboratory("BreakHis 100X, patients held out", "home"),
        "tiles": laboratory("Tissue tiles", "outside", "The patients are not known.", by="picture"),
        "fields": laboratory("Fields", "outside", "3 patients are too few for an interval."),
        "atypical": laboratory("Atypical regions", "outside", "One class alone.", by="picture", benign=0),
        "blur": laboratory("blur of 1 px, JPEG 40", "shift"),
    },
    "recipes": {
        "dala": recipe("dala", 0.86, 0.70, 0.80, 0.82),
        "probe": recipe("probe", 0.83, 0.80, 0.84, 0.80),
        "earlier": recipe("dala", 0.87, 0.45, 0.52, 0.75),
    },
}
# The published recipe's failures alone are kept.
TABLE["recipes"]["dala"]["scores"]["tiles"]["failures"] = [WRONG]
