"""The sentences of a model card that depend on a report; `card_template.md` holds the others."""

from typing import Any

from dala.hub.report import Provenance, Report, Start
from dala.hub.scores import Scores
from dala.models.card import CITATION
from dala.publishing.card_notes import CardNotes

__all__ = ["CITATION", "LIMITS", "also", "count", "name", "patients", "sentences", "start", "subset", "trained"]

FAILED = 5
# (pictures, patients) of the whole BreakHis.
WHOLE = {"100X": (2081, 82)}
NETWORKS = {
    "dala": "DALAResNet50",
    "dala:no-attention": "DALAResNet50 without attention",
    "dala:one-activation": "DALAResNet50 with one activation",
    "resnet50": "ResNet-50",
    "colour": "colour alone, logistic regression on 15 statistics",
    "probe": "logistic regression on frozen features",
}

LIMITS = """\
## Limitations

The weights cannot diagnose. They do not apply to other magnifications, stains, scanners or organs, nor to synthetic
patches, and they do not recognise such input: skin, a photograph and a blank slide get a probability, too."""

BREAKHIS = """\
- Data: Spanhol, Oliveira, Petitjean and Heutte, "A Dataset for Breast Cancer Histopathological Image Classification",
  IEEE TBME 63(7), 2016."""


FINAL = (
    "The published network was then trained on all pictures with the same settings. No held-out pictures are left "
    "to score it on: the scores of the folds' networks are the estimate of its own."
)

# Sentences about BreakHis.
PATIENT = (
    "A patient is the numeric root of a slide's id (22549AB and 22549CD are one), which is stricter than the slide ids "
    "that published patient scores use."
)
PAPER = (
    "The paper reports 98.7 % accuracy at 100X on the whole data set; its split is not known to us, so the two "
    "are not comparable."
)
NUCLEI = (
    "; in its own 700×460 pixels the median diameter of round nuclei is 8.7 px "
    "(`python tests/benchmarks/nuclear_size.py --data BreaKHis_v1`)."
)


def name(title: str, notes: CardNotes | None = None) -> str:
    """Display name of a run: from the notes, else that of its network, else its title."""
    return (notes.names if notes else {}).get(title) or NETWORKS.get(title, title)


def sentences(report: Report, notes: CardNotes) -> dict[str, str | None]:
    """The sentences of the template by the name of their place; None leaves one out."""
    scores, where = report["scores"], report["provenance"]
    names, by_image = scores["class_names"], report["protocol"] == "image"
    breakhis = _breakhis(where)
    return {
        "classes": f"{names[0]} from {names[1]}" if len(names) == 2 else f"{len(names)} classes",
        "units": "pictures" if by_image else "patients",
        "protocol": _protocol(report),
        "resamples": f"{_resamples(report):,}",
        "leakage": _leakage(report) if report.get("image_wise") else None,
        "paper_accuracy": PAPER if breakhis and where.get("magnification") == "100X" else None,
        "temperatures": _temperatures(report),
        "failures": _failures(scores),
        "scale": _scale(report),
        "data": _data(where, notes),
        "citation": f"{CITATION}\n{BREAKHIS}" if breakhis else CITATION,
    }


def count(n: int, what: str) -> str:
    """A number of things, in the singular or the plural."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def patients(provenance: Provenance) -> str:
    """The number of patients, or that they are not known."""
    n = provenance["patients"]
    return "unknown patients" if n is None else count(n, "patient")


def subset(provenance: Provenance) -> str:
    """In brackets, that a part of BreakHis is not the whole; else nothing."""
    whole = WHOLE.get(provenance.get("magnification") or "") if _breakhis(provenance) else None
    if whole is None or provenance["images"] >= whole[0]:
        return ""
    return f" (a subset of the published {whole[0]:,} pictures of {whole[1]} patients)"


def also(provenance: Provenance) -> str:
    """What was trained on without being scored; nothing where there is none."""
    sets = provenance.get("sources", [])[1:]
    if sets:
        listed = "; ".join(f"{count(row['images'], 'picture')} of {row['title']}" for row in sets)
        return f"; training also used sets that are not scored: {listed}"
    other = provenance.get("also")
    if not other:
        return ""
    zooms = other["magnification"].replace(",", ", ")
    return (
        f"; training also used {count(other['images'], 'picture')} at {zooms}, resized to that scale and not scored "
        f"({count(other['patients'], 'patient')} in all)"
    )


def trained(settings: dict[str, Any]) -> str:
    """Which parts of the network were trained."""
    if not settings.get("epochs") and settings.get("probe") == "linear":
        return (
            "head fitted by ridge regression to the features of the initial weights, attention left open, no stage "
            "trained"
        )
    if not settings.get("epochs"):
        return "attention and head fitted to the features of the initial weights, no stage trained"
    epochs = count(settings["epochs"], "epoch")
    return (
        "attention and head fitted to the features of the initial weights, then "
        f"`{settings['train_from']}` and later stages trained for {epochs}"
    )


def start(record: Start, notes: CardNotes) -> str:
    """The initial weights as a list item: where they come from, their SHA-256, and how many tensors fit."""
    if not record.get("sha256") and not record.get("name"):
        return "- Initial weights: random."
    text = notes.starts.get(record.get("sha256") or "", f"`{record.get('name')}`, under its publisher's licence.")
    digest = f" SHA-256 `{record['sha256']}`." if record.get("sha256") else ""
    missing, left = len(record.get("missing", [])), len(record.get("left_over", []))
    if not record.get("loaded"):
        return f"- Initial weights: {text}{digest}"
    fit = "none was missing or unused" if missing == left == 0 else f"{missing} missing, {left} unused"
    return f"- Initial weights: {text}{digest} {record['loaded']} tensors were loaded, {fit}."


def _protocol(report: Report) -> str:
    """How pictures were held out, and which network the scores are of."""
    scores, kind = report["scores"], report["protocol"]
    if kind == "image":
        return (
            "Pictures were split one by one, and patients are in both training and test set: **scores are too high.**"
        )
    if report["provenance"].get("patients", 0) is None:
        return (
            "The patients are not known: each picture counts as one of its own, pictures of one patient may be on both "
            "sides, and **scores may be too high.**"
        )
    patient = f"{PATIENT} " if _breakhis(report["provenance"]) else ""
    if kind == "holdout":
        return f"{patient}{scores['patients']} patients were held out, and all scores are of their pictures."
    each = "" if scores["partitions"] == 1 else f" in each of {scores['partitions']} partitions"
    final = f" {FINAL}" if report.get("sha256") else ""
    return (
        f"{patient}Every patient is held out once{each}, in one of {scores['folds']} folds, and scored by the network "
        f"that was trained on the others. No epoch was chosen by its score on held-out pictures.{final}"
    )


def _leakage(report: Report) -> str:
    """AUC and accuracy under both splits."""
    figures = report["image_wise"]["figures"], report["scores"]["figures"]
    image, patient = ({k: f"{f[k][0]:.3f}" for k in ("auc", "accuracy") if f[k][0] is not None} for f in figures)
    return "; ".join(
        f"{what} {image[k]} by image but {patient[k]} by patient"
        for k, what in (("auc", "AUC"), ("accuracy", "accuracy"))
        if k in image and k in patient
    )


def _temperatures(report: Report) -> str:
    """How the temperatures were fitted, and their range."""
    fitted = [value for partition in report["scores"]["temperatures"] or () for value in partition]
    if fitted == [1.0]:
        return "One fold leaves no other pictures to fit a temperature on: both rows use the logits without scaling."
    published = (
        f" `config.json` has {report['temperature']:.3f}, fitted on all held-out pictures."
        if report.get("sha256")
        else ""
    )
    return (
        "ECE: mean distance of accuracy from confidence over ten bins. A fold's temperature was fitted on the other "
        f"folds of its partition, with equal weights of patients and of classes; the {len(fitted)} temperatures range "
        f"from {min(fitted):.2f} to {max(fitted):.2f}.{published} A temperature changes no predicted class and no "
        "explanation, and is valid only for pictures like these."
    )


def _failures(scores: Scores) -> str:
    """Which patients are mostly misclassified, and the share of each class that is classified correctly."""
    every = scores["by_patient"]
    failed = [row for row in every if row["right"] < 0.5]
    patients = f"Each of {count(len(every), 'patient')} has at least half of the pictures classified correctly."
    if failed:
        worst = "; ".join(f"{r['patient']} ({r['label']}, slides {', '.join(r['slides'])})" for r in failed[:FAILED])
        lead = ": " if len(failed) == 1 else ", worst first: " if len(failed) <= FAILED else "; the worst are "
        verb = "has" if len(failed) == 1 else "have"
        patients = (
            f"Of {count(len(every), 'patient')} {len(failed)} {verb} less than half of the pictures classified "
            f"correctly{lead}{worst}."
        )
    rows = zip(scores["class_names"], scores["confusion"], strict=True)
    rates = [f"{100 * row[k] / sum(row):.0f} % of the {name}" for k, (name, row) in enumerate(rows) if sum(row)]
    return f"{patients} Of the pictures it classifies correctly {', '.join(rates)}."


def _scale(report: Report) -> str:
    """What size of tissue the weights expect."""
    where, settings = report["provenance"], report.get("settings", {})
    if settings.get("um_per_pixel"):
        return f"The weights expect {settings['um_per_pixel']:g} µm per pixel."
    if not _breakhis(where):
        return "The micrometres per pixel of the pictures are not known; `config.json` leaves them unset."
    nuclei = NUCLEI if where.get("magnification") == "100X" else "."
    return (
        f"The weights expect BreakHis' {where.get('magnification', 'own scale')}. Sources disagree about its "
        f"micrometres per pixel, so `config.json` leaves them unset{nuclei}"
    )


def _data(provenance: Provenance, notes: CardNotes) -> str:
    """The training pictures and their licence as a list item, where no source file describes them."""
    item = f"- Data: {provenance.get('data', 'not named')}. Its licence is its publisher's."
    if _breakhis(provenance):
        item = (
            '- BreakHis: Spanhol et al., "A Dataset for Breast Cancer Histopathological Image Classification", IEEE '
            "TBME 63(7), 2016;\n  CC BY 4.0."
        )
    return f"{item} {notes.data}" if notes.data else item


def _breakhis(provenance: Provenance) -> bool:
    return provenance.get("data") == "BreakHis"


def _resamples(report: Report) -> int:
    return report["comparison"]["resamples"] if "comparison" in report else report.get("resamples", 1000)
