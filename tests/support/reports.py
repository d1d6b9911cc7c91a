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
