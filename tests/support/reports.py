"""A `report.json` and an `explanations.json` with what the page shows of them."""


def figures(auc: float) -> dict[str, list[float | None]]:
    return {
        "auc": [auc, auc - 0.1, auc + 0.05],
        "balanced_accuracy": [0.75, 0.6, 0.9],
        "patient_auc": [0.9, None, None],
    }


REPORT = {
    "title": "dala",
    "protocol": "patient",
    "provenance": {"data": "BreakHis", "magnification": "100X"},
    "scores": {
        "images": 40, "patients": 6, "partitions": 2, "folds": 3, "figures": figures(0.85),
        "by_patient": [{"patient": "22549", "label": "benign", "images": 9, "right": 0.25, "probability": 0.31}],
    },
    "beside": {"colour": {"network": "colour", "partitions": 2, "figures": figures(0.7)}},
    "image_wise": {
        "figures": figures(0.95), "beside": {"colour": {"network": "colour", "partitions": 1, "figures": figures(0.8)}},
    },
}  # fmt: skip

ROW = {
    "count": 2, "auc": [0.81, 0.7, 0.9], "energy": [0.4, 0.3, 0.5], "pointing": [1, 1, 1], "area_iou": [0.2, 0.1, 0.3],
}  # fmt: skip
STUDY = {
    "command": "dala evaluate explanations", "quick": True, "seconds": 9,
    "answers": {
        "threshold": "No <b>.", "rule": "otsu", "strength": None, "rule_words": "Otsu: 0.5.", "areas": "Small.",
        "first": "grad_cam", "first_words": "Grad-CAM: best.",
    },
    "truths": {
        "phantom": {
            "model": {"words": "a network", "sha256": ["ab" * 32]}, "count": 2, "groups": 2,
            "localisation": {"grad_cam": ROW, "ceiling": ROW},
            "areas": {"otsu": {"strength": None, "p5": 0.1, "median": 0.2, "p95": 0.3, "mean": 0.2}},
            "sanity": {
                "grad_cam": {"count": 2, "survives": 0.25, "limit": 0.1, "steps": {"head": 0.5}, "blind": []},
            },
        }
    },
}  # fmt: skip


def _row(auc: float | None, nuclei: float) -> dict:
    row = {"count": 3, "energy": {"nuclei": [nuclei, nuclei - 0.1, nuclei + 0.1], "rim": [1.3, 1.2, 1.4]}}
    return row | {"auc": [auc, auc - 0.05, auc + 0.05]} if auc is not None else row


def tissue_set(auc: float | None = 0.55, nuclei: float = 1.02, stain: float = 0.7) -> dict:
    """One set of `tissue_maps.json`: maps of this AUC of pixels and this energy on nuclei, and of this stain."""
    masked = auc is not None
    blind = {"energy": {"nuclei": [0.95, 1.05], "rim": [0.8, 1.2]}}
    return {
        "title": "Fields", "words": "whole fields", "model": {"words": "a network", "sha256": ["ab" * 32]},
        "count": 3, "groups": 3, "called": 2, "areas": {"nuclei": 0.3, "rim": 0.2}, "marked": {"nuclei": 3, "rim": 3},
        "rows": {
            "grad_cam": _row(auc, nuclei),
            "centre_gaussian": _row(0.52 if masked else None, 1.01),
            "stain": _row(0.66 if masked else None, 1.9),
            "stain_on_grid": _row(stain if masked else None, 1.2),
            "ceiling": _row(0.95 if masked else None, 1.6),
        },
        "predicted": _row(auc, nuclei),
        "blind": blind | {"auc": [0.44, 0.56]} if masked else blind,
    }  # fmt: skip


TISSUE_MAPS = {
    "command": "dala evaluate tissue", "first": "grad_cam", "seconds": 90,
    "sets": {"fields": tissue_set(), "patches": tissue_set(None) | {"title": "Patches", "words": "malignant patches"}},
}  # fmt: skip
