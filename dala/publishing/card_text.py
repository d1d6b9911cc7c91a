"""The sentences of a model card; `dala.publishing.model_card` puts the tables between them."""

from typing import Any

from dala.models.card import CITATION

__all__ = [
    "BREAKHIS",
    "CHOICE",
    "CITATION",
    "DIFFERENCE",
    "FOLDS",
    "INTENDED",
    "LIMITS",
    "also",
    "calibration",
    "count",
    "failures",
    "leakage",
    "name",
    "protocol",
    "reading",
    "scale",
    "subset",
    "terms",
    "trained",
]

Json = dict[str, Any]
FAILED = 5
# (pictures, patients) of the whole BreakHis, and of the part of it that the shipped weights were trained on.
WHOLE = {"100X": (2081, 82)}
RE_ENCODED = {"100X": (429, 26)}
NAMES = {
    "dala": "DALAResNet50",
    "dala:no-attention": "DALAResNet50 without attention",
    "dala:one-activation": "DALAResNet50 with one activation",
    "resnet50": "ResNet-50",
    "colour": "colour alone, logistic regression on 15 statistics",
    "probe": "logistic regression on frozen features",
    "1050x690": "DALAResNet50, pictures enlarged to 1050×690",
    "100X-alone": "DALAResNet50, trained on 100X alone",
}
STARTS = {
    "3a5d3b6cdd64aa784430b16e07d328c1c91da23b075ab90b315c87932bfb40f3": "ImageNet-1k weights of ResNet-50 v1.5, "
    "de-quantised from a public 8-bit TensorFlow release; the repository that holds the 8-bit copy states no licence."
}

INTENDED = """\
## Intended use

Teaching what explanations such as Grad-CAM and DT Grad-CAM show and hide, comparing methods of explanation on a network
with known weaknesses, and as a baseline with an honest protocol for other networks.

Not for diagnosis, triage or any other decision about a person, and not a part of a device or a clinical trial."""

LIMITS = """\
## What they cannot do

Diagnose. Read other magnifications, stains, scanners or organs. Know what they do not know: skin, a photograph and a
blank slide get a probability too. Synthetic patches are outside what they were trained on as well."""

DIFFERENCE = (
    "Δ: how much a row lies above the first, on the same resamples of the patients; p is two-sided and not corrected "
    "for the number of rows."
)

CHOICE = (
    "Each candidate was trained with two folds left out and scored on one of them, so that no network of the table "
    "above was looked at. Over all folds the candidates were nevertheless scored on the same patients as that table: "
    "choosing the best of several flatters it by a little."
)

FOLDS = "A dash: the fold's pictures are all of one class. Few patients a fold make its figures swing."

BREAKHIS = """\
- Data: Spanhol, Oliveira, Petitjean and Heutte, "A Dataset for Breast Cancer Histopathological Image Classification",
  IEEE TBME 63(7), 2016."""


def name(title: str) -> str:
    """A run's title as a person would write it."""
    return NAMES.get(title, title)


def count(n: int, what: str) -> str:
    """A number of things, in the singular or the plural."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def subset(provenance: Json) -> str:
    """In brackets, that a part of BreakHis is not the whole; else nothing."""
    whole = WHOLE.get(provenance.get("magnification", "")) if _breakhis(provenance) else None
    if whole is None or provenance["images"] >= whole[0]:
        return ""
    return f" (a subset of the published {whole[0]:,} pictures of {whole[1]} patients)"


def also(provenance: Json) -> str:
    """What was trained on without being scored; nothing where there is none."""
    other = provenance.get("also")
    if not other:
        return ""
    zooms = other["magnification"].replace(",", ", ")
    return (
        f"; in training alone also {count(other['images'], 'picture')} at {zooms}, resized to that scale "
        f"({count(other['patients'], 'patient')} in all)"
    )


def trained(settings: Json) -> str:
    """Which parts of the network were trained."""
    if not settings.get("epochs") and settings.get("probe") == "linear":
        return (
            "the head a ridge regression on the start's features, the attention left open, all stages as they started"
        )
    if not settings.get("epochs"):
        return "attention and head fitted to the start's features, all stages as they started"
    epochs = count(settings["epochs"], "epoch")
    return f"attention and head fitted to the start's features, then `{settings['train_from']}` and up for {epochs}"


def protocol(report: Json) -> str:
    """Who was held out of what, and what the figures are therefore of."""
    scores, kind = report["scores"], report["protocol"]
    if kind == "image":
        return "Pictures were dealt out singly, so that a patient stands on both sides: **the figures flatter.**"
    who = (
        "A patient is the numeric root of a slide's id (22549AB and 22549CD are one), which is stricter than the slide "
        "ids that published patient scores use. "
        if _breakhis(report["provenance"])
        else ""
    )
    if kind == "holdout":
        return f"{who}{scores['patients']} patients were held out, and every figure is of their pictures."
    each = "" if scores["partitions"] == 1 else f" in each of {scores['partitions']} partitions"
    final = (
        " The published network was then trained on all pictures with the same settings. It has no unseen pictures of "
        "its own left: the folds' networks tell what to expect of it."
        if report.get("sha256")
        else ""
    )
    return (
        f"{who}Every patient is held out once{each}, in one of {scores['folds']} folds, and scored by the network that "
        f"was trained on the others. No epoch was chosen by looking at held-out pictures.{final}"
    )


def reading(report: Json) -> str:
    """How the results table is read."""
    n = report.get("comparison", {}).get("resamples", report.get("resamples", 1000))
    return (
        f"Means over partitions; in brackets the 95 % interval of {n:,} bootstrap resamples of the patients, since "
        "pictures of one patient are not independent. AUC pools the pictures of all folds of a partition, whose "
        "networks differ. Patient score: mean over patients of the share of their pictures that is classified right "
        "(Spanhol et al. 2016)."
    )


def leakage(report: Json) -> str:
    """Why figures by image say nothing about new patients."""
    figures = report["image_wise"]["figures"], report["scores"]["figures"]
    image, patient = ({k: f"{f[k][0]:.3f}" for k in ("auc", "accuracy") if f[k][0] is not None} for f in figures)
    told = "; ".join(
        f"{what} {image[k]} by image but {patient[k]} by patient"
        for k, what in (("auc", "AUC"), ("accuracy", "accuracy"))
        if k in image and k in patient
    )
    where = report["provenance"]
    paper = (
        " The paper reports 98.7 % accuracy at 100X on the whole data set; its split is not known to us, so that its "
        "figure can be set beside neither row."
        if _breakhis(where) and where.get("magnification") == "100X"
        else ""
    )
    return (
        "By image, pictures of one patient, often of one slide, stand in training and in testing: **leakage**. A "
        f"network is then paid for recognising the patient ({told}), while nothing but how pictures were dealt out has "
        f"changed. Only the rows by patient say anything about new patients.{paper}"
    )


def calibration(low: float, high: float, n: int, report: Json) -> str:
    """What temperature scaling did."""
    if n == 1 and low == high == 1.0:
        return "One fold leaves no other pictures to fit a temperature on: both rows are of the logits as they are."
    published = (
        f" `config.json` has {report['temperature']:.3f}, fitted on all held-out pictures."
        if report.get("sha256")
        else ""
    )
    return (
        "ECE: mean distance of accuracy from confidence over ten bins. A fold's temperature was fitted on the other "
        f"folds of its partition, patients and classes weighing the same; the {n} temperatures go from {low:.2f} to "
        f"{high:.2f}.{published} A temperature changes no predicted class and no explanation, and "
        "it holds for pictures like these alone."
    )


def failures(scores: Json) -> str:
    """Which patients, by slide, and which classes the network gets wrong."""
    every = scores["by_patient"]
    failed = [row for row in every if row["right"] < 0.5]
    if failed:
        worst = "; ".join(f"{r['patient']} ({r['label']}, slides {', '.join(r['slides'])})" for r in failed[:FAILED])
        start = ": " if len(failed) == 1 else ", worst first: " if len(failed) <= FAILED else "; the worst are "
        verb = "has" if len(failed) == 1 else "have"
        told = f"Of {count(len(every), 'patient')} {len(failed)} {verb} less than half of the pictures classified right"
        told += f"{start}{worst}."
    else:
        told = f"Each of {count(len(every), 'patient')} has at least half of the pictures classified right."
    rows = zip(scores["class_names"], scores["confusion"], strict=True)
    found = [f"{100 * row[k] / sum(row):.0f} % of the {name}" for k, (name, row) in enumerate(rows) if sum(row)]
    return f"{told} Picture by picture it finds {', '.join(found)}."


def scale(report: Json) -> str:
    """What size of tissue the weights expect."""
    where, settings = report["provenance"], report.get("settings", {})
    if settings.get("um_per_pixel"):
        text = f"The weights expect {settings['um_per_pixel']:g} µm per pixel."
    elif not _breakhis(where):
        text = "The micrometres per pixel of the pictures are not known; `config.json` leaves them open."
    else:
        text = (
            f"The weights expect BreakHis' {where.get('magnification', 'own scale')}. Sources contradict each other "
            "about its micrometres per pixel, so `config.json` leaves them open"
        )
        nuclei = (
            "; in its own 700×460 pixels round nuclei measure 8.7 px across in the median "
            "(`python tests/benchmarks/nuclear_size.py --data BreaKHis_v1`)."
        )
        text += nuclei if where.get("magnification") == "100X" else "."
    return f"## Scale\n\n{text}"


def terms(report: Json) -> str:
    """Data, start and licences."""
    where = report["provenance"]
    data = f"- Data: {where.get('data', 'not named')}. Its terms are its publisher's."
    if _breakhis(where):
        data = (
            '- BreakHis: Spanhol et al., "A Dataset for Breast Cancer Histopathological Image Classification", IEEE '
            "TBME 63(7), 2016;\n  CC BY 4.0."
        )
        if (where["images"], where["patients"]) == RE_ENCODED.get(where.get("magnification", "")):
            data += " The subset was re-encoded as JPEG (quality 90)."
    return (
        f"## Data, start and terms\n\n{data}\n{_start(where.get('start') or {})}\n"
        "- The weights: CC BY-NC 4.0, for research and teaching. The code: Apache-2.0."
    )


def _start(start: Json) -> str:
    if not start.get("sha256") and not start.get("name"):
        return "- Start: random."
    text = STARTS.get(start.get("sha256", ""), f"`{start.get('name')}`; its terms are its publisher's.")
    digest = f" SHA-256 `{start['sha256']}`." if start.get("sha256") else ""
    missing, left = len(start.get("missing", [])), len(start.get("left_over", []))
    if not start.get("loaded"):
        return f"- Start: {text}{digest}"
    fit = "none was missing or left over" if missing == left == 0 else f"{missing} missing, {left} left over"
    return f"- Start: {text}{digest} {start['loaded']} tensors fit, {fit}."


def _breakhis(provenance: Json) -> bool:
    return bool(provenance.get("data") == "BreakHis")
