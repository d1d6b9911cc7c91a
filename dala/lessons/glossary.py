"""Every term of the page in one plain sentence: the one place where they are explained.

What a registry explains, it explains there: threshold rules in `dala.heatmaps.thresholds`, methods in `dala.cam.gradient`, baselines in
`dala.trust.infill`.
"""

from dala import cam
from dala.cam import (
    ablation,  # noqa: F401  two of them register methods
    perturbation,  # noqa: F401  two of them register methods
)
from dala.heatmaps import thresholds
from dala.trust import infill

__all__ = [
    "AGREEMENT", "BASELINES", "CHECKS", "MAP", "NETWORK", "PICTURE", "RESULTS", "RULES", "TRUST", "everything",
    "methods",
]  # fmt: skip

PICTURE = {
    "patch": "A small piece of the scan of a slide; it is all that the network sees.",
    "magnification": "How far the microscope enlarged the tissue: at another one than it was trained on, a network "
    "meets nuclei of a size that it does not know.",
    "logit": "The network's raw score for a class; it can be any number.",
    "probability": "The logits turned into shares that add up to one: how sure this network is, not how likely a "
    "disease is.",
    "temperature": "A number that divides the logits before they become probabilities, so that these are neither too "
    "bold nor too shy; it changes no ranking.",
}
MAP = {
    "DT Grad-CAM": "Grad-CAM shown only from a threshold on that is taken from the map itself (DT: dynamic threshold).",
    "raw maximum": "The map's largest value in its own units; it tells a faint map from a strong one, which look alike "
    "in colour.",
    "colour scale": "Which value which colour stands for: from zero to the map's own maximum, or to that of the "
    "largest map where several share one scale.",
    "threshold τ": "The value from which on a map is shown: a pixel is kept where the map is at least τ.",
    "strength k": "How far τ lies above the map's mean, in standard deviations; the other rules have a strength of "
    "their own.",
    "kept area": "The share of the picture in which the map is at least τ.",
    "evidence": "For a class: what raises its logit. Against it: what lowers it. A map shows one of the two.",
    "margin": "The logit of one class less that of another: what decides between the two.",
    "layer": "A stage of the network whose feature maps are explained; earlier ones see finer detail, later ones stand "
    "nearer to the decision.",
}
NETWORK = {
    "channel": "One of a layer's many pattern detectors, learnt in training and known by its number.",
    "feature map": "Where in the picture a channel has found its pattern, and how strongly.",
    "gradient": "How much the score would change if a feature map changed a little at this place.",
    "weight α": "The mean of a channel's gradient over all places: how much it speaks for the class.",
    "ReLU": "Sets everything below zero to zero; in Grad-CAM it leaves only the evidence for the class.",
    "upsampling": "Enlarging the small map to the picture's size: that makes it smooth, not more exact.",
    "attention gate": "A number between 0 and 1 for every channel, found from the patch, by which the network's "
    "attention scales the channel's feature map.",
}
TRUST = {
    "histogram": "How much of the area has which value of the map.",
    "keep-only": "What the network says when it sees the kept region alone and all else is hidden.",
    "remove-only": "What the network says when the kept region is hidden and it sees the rest.",
    "hidden pixels": "Something has to stand in their place, and no network was trained on that: part of every change "
    "is its surprise.",
    "logit margin": "A class's logit less the largest other one: above zero the class wins, and where a probability is "
    "stuck at 0 or 1, it still moves.",
}
CHECKS = {
    "insertion": "Showing the picture piece by piece in the map's order, and the mean of what the network says: high "
    "speaks for the map.",
    "deletion": "Hiding the picture piece by piece in the map's order: low speaks for the map.",
    "random weights": "What the network has learned is thrown away, from the head down; a map that stays the same does "
    "not show it.",
    "unrelated maps": "The map itself, mirrored and moved: as smooth, and with nothing to do with it. How far such "
    "maps agree is what chance gives.",
    "stability": "How far the map stays where it is when the picture is turned, shifted or stained a little otherwise.",
}
AGREEMENT = {
    "rank correlation": "How far two maps put all places in the same order: 1 the same, 0 unrelated, −1 reversed "
    "(Spearman).",
    "overlap (IoU)": "The area that two regions share over the area that either covers: 1 the same, 0 apart "
    "(intersection over union).",
}
RESULTS = {
    "AUC": "How often a picture of one class is ranked above one of the other: 1 always, 0.5 by chance.",
    "accuracy": "The share of pictures classified right; where one class is much larger, it flatters.",
    "balanced accuracy": "The mean of the classes' shares classified right; of two classes 0.5 is chance.",
    "GMean": "The geometric mean of the classes' shares classified right: one neglected class pulls it down.",
    "calibration": "Whether probabilities mean what they say: of pictures given 80 %, 80 % should be right.",
    "ROC": "True positives against false positives, at every cut on the probability.",
    "confusion matrix": "How many pictures of each class were called what.",
    "cross-validation": "Every patient is held out once, and scored by a network that was trained on the others.",
    "patient-wise": "All pictures of a patient stand on one side of the split: the network is scored on patients that "
    "it has never seen.",
    "leakage": "Something that training shares with scoring, such as a patient: it makes a network look better than "
    "it is.",
    "confound": "Something that goes with the answer and is not what should be learnt, such as the colour of a stain.",
    "confidence interval": "A range that, over many repetitions of the study, would hold the true value 95 times in "
    "100; few patients make it wide.",
}


def _sentences(meanings: dict[str, str]) -> dict[str, str]:
    return {name: f"{meaning[0].upper()}{meaning[1:]}." for name, meaning in meanings.items() if meaning}


RULES = _sentences({rule.label: rule.meaning for rule in thresholds.RULES.values()})
BASELINES = _sentences({baseline.label: baseline.meaning for baseline in infill.BASELINES.values()})


def methods(reruns: bool = False) -> dict[str, str]:
    """The methods by title, those of your own among them; with or without those that take minutes."""
    return _sentences({m.title: m.meaning for m in cam.METHODS.values() if reruns or not m.reruns})


def everything() -> dict[str, str]:
    """Every term with its sentence."""
    return PICTURE | MAP | NETWORK | TRUST | CHECKS | AGREEMENT | RESULTS | RULES | BASELINES | methods(reruns=True)
