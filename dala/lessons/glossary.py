"""Every term of the page in one plain sentence.

Threshold rules, methods and infills are described in their registries: `dala.heatmaps.thresholds`, `dala.cam`,
`dala.trust.infill`.
"""

from dala import cam
from dala.cam import (
    ablation,  # noqa: F401  two of them register methods
    perturbation,  # noqa: F401  two of them register methods
)
from dala.heatmaps import thresholds
from dala.trust import infill as trust_infill

__all__ = [
    "AGREEMENT", "CHECKS", "INFILLS", "MAP", "NETWORK", "PICTURE", "RESULTS", "RULES", "TRUST", "everything",
    "methods",
]  # fmt: skip

PICTURE = {
    "patch": "A small piece of the scan of a slide; it is all that the network sees.",
    "magnification": "How much the microscope enlarged the tissue; at another magnification than in training, nuclei "
    "have a size that the network does not know.",
    "logit": "The network's raw score for a class; it can be any number.",
    "probability": "The softmax of the logits, which adds up to 1 over the classes: how sure this network is, not how "
    "likely a disease is.",
    "temperature": "A number that divides the logits before the softmax, so that probabilities are neither too high "
    "nor too low; it changes no ranking.",
}
MAP = {
    "DT Grad-CAM": "Grad-CAM shown only at or above a threshold derived from the map itself (DT: dynamic threshold).",
    "raw maximum": "The largest value of the map in its own units; a faint and a strong map can have the same colours "
    "and different maxima.",
    "colour scale": "Which colour stands for which value: from zero to the map's own maximum, or to that of the "
    "largest map if several share one scale.",
    "look": "How a map is laid over the tissue: as a lamp, as a veil of colours, or as an outline alone.",
    "threshold τ": "A map is shown where its value is at least τ.",
    "strength k": "How far τ lies above the map's mean, in standard deviations; the other rules have a strength of "
    "their own.",
    "kept area": "The share of the picture in which the map is at least τ.",
    "evidence": "For a class: what raises its logit. Against it: what lowers it. A map shows one of the two.",
    "margin": "The logit of one class minus that of another: it decides between the two.",
    "layer": "A stage of the network whose feature maps are explained; earlier ones show finer detail, later ones are "
    "closer to the decision.",
}
NETWORK = {
    "channel": "One of a layer's many pattern detectors, learned in training and identified by its number.",
    "feature map": "Where in the picture a channel has detected its pattern, and how strongly.",
    "gradient": "How much the score would change if a feature map changed slightly at this position.",
    "weight α": "The mean of a channel's gradient over all positions: how much the channel supports the class.",
    "ReLU": "Sets negative values to zero; in Grad-CAM only the evidence for the class remains.",
    "upsampling": "Enlarging the small map to the size of the picture; the map becomes smooth, not more exact.",
    "attention gate": "A number between 0 and 1 for every channel, computed from the patch, by which the attention "
    "scales the channel's feature map.",
}
TRUST = {
    "histogram": "Which share of the area has which value of the map.",
    "keep-only": "The network's output when only the kept region is shown and the rest is hidden.",
    "remove-only": "The network's output when the kept region is hidden and the rest is shown.",
    "hidden pixels": "They have to be replaced by something, and no network was trained on that: part of every change "
    "is due to the replacement.",
    "logit margin": "The logit of a class minus the largest other one: above zero the class wins. It still changes "
    "where a probability is stuck at 0 or 1.",
}
CHECKS = {
    "insertion": "The mean output of the network as the picture is shown step by step in the map's order: a high "
    "mean supports the map.",
    "deletion": "The mean output of the network as the picture is hidden step by step in the map's order: a low "
    "mean supports the map.",
    "random maps": "Twenty maps as smooth as the map that is checked, drawn at random: what chance alone finds.",
    "random weights": "The learned weights are replaced by random ones, from the head down; a map that stays the same "
    "does not depend on them.",
    "unrelated maps": "The map itself, mirrored and shifted: equally smooth, but unrelated. Their agreement shows what "
    "chance alone gives.",
    "stability": "How little the map changes when the picture is turned, shifted or stained slightly differently.",
}
AGREEMENT = {
    "rank correlation": "How similarly two maps order all positions: 1 identical, 0 unrelated, −1 reversed (Spearman).",
    "overlap (IoU)": "The area that two regions share divided by the area that either covers: 1 identical, 0 disjoint "
    "(intersection over union).",
}
RESULTS = {
    "AUC": "How often a picture of one class is ranked above one of the other: 1 always, 0.5 by chance.",
    "accuracy": "The share of pictures classified correctly; it is misleading if one class is much larger.",
    "balanced accuracy": "The mean of the recalls of the classes; with two classes, chance is 0.5.",
    "GMean": "The geometric mean of the recalls of the classes: one neglected class lowers it.",
    "calibration": "Whether probabilities mean what they say: of pictures given 80 %, 80 % should be right.",
    "ROC": "True positive rate against false positive rate, for every cut-off of the probability.",
    "confusion matrix": "How many pictures of each class were assigned to which class.",
    "cross-validation": "Every patient is held out once, and scored by a network trained on the other patients.",
    "patient-wise": "All pictures of a patient are on one side of the split: the network is tested on patients that "
    "it has never seen.",
    "laboratory held out": "None of its pictures was in the training: its stains, microscope and cases are new to the "
    "network.",
    "leakage": "Something that training and test data share, such as a patient: results look better than they are.",
    "confounder": "Something that is correlated with the class and should not be learned, such as the colour of a "
    "stain.",
    "confidence interval": "A range that would contain the true value in 95 of 100 repetitions of the study; few "
    "patients make it wide.",
}


def _sentences(meanings: dict[str, str]) -> dict[str, str]:
    return {name: f"{meaning[0].upper()}{meaning[1:]}." for name, meaning in meanings.items() if meaning}


RULES = _sentences({rule.label: rule.meaning for rule in thresholds.RULES.values()})
INFILLS = _sentences({infill.label: infill.meaning for infill in trust_infill.INFILLS.values()})


def methods(reruns: bool = False) -> dict[str, str]:
    """A sentence for every method, by title, including methods of your own.

    Args:
        reruns: include methods that rerun the network, which take minutes.
    """
    return _sentences({m.title: m.meaning for m in cam.METHODS.values() if reruns or not m.reruns})


def everything() -> dict[str, str]:
    """Every term with its sentence."""
    return PICTURE | MAP | NETWORK | TRUST | CHECKS | AGREEMENT | RESULTS | RULES | INFILLS | methods(reruns=True)
