"""File names of runs and model repositories, and which of them a publisher owns."""

__all__ = [
    "CARD",
    "CONFIG",
    "FILE",
    "GATE",
    "LABORATORIES",
    "OWNED",
    "PREDICTIONS",
    "REPORT",
    "RUN_LABORATORIES",
    "RUN_SHIFTS",
    "SAMPLES",
    "SAMPLES_LIST",
    "SHIFT",
    "SPLIT",
    "SPLITS",
    "STUDY",
    "TISSUE",
]

FILE, CONFIG = "model.safetensors", "config.json"
CARD, REPORT = "README.md", "report.json"
STUDY = "explanations.json"  # the study of explanations, which the app shows
TISSUE = "tissue_maps.json"  # where on real tissue the maps lie, which the app shows, too
GATE = "gate.json"
LABORATORIES = "laboratories.json"  # recipes on held-out patients and held-out laboratories, which the app shows
SHIFT = "shift.json"  # the check of laboratories
PREDICTIONS, SPLIT = "predictions.csv", "split.json"  # in the folder of a run
# Folders of a run: `LABORATORY/predictions.csv` with its report, and `SHIFT.csv` of held-out patients.
RUN_LABORATORIES, RUN_SHIFTS = "laboratories", "shifts"
SPLITS, SAMPLES, SAMPLES_LIST = "splits", "samples", "samples.json"  # two folders, and the list in the second
# Patterns of files that a new version deletes on the Hub where it does not have them itself.
OWNED = (f"{SPLITS}/*", f"{SAMPLES}/*")
