"""A picture that was explained is not explained again, and nobody is given another one's answer."""

import gc
from weakref import ref

import torch

from dala import DALAResNet50, Explainer
from dala.phantoms import phantom
from dala.ui.explanation_cache import Recent


def counted(explainer, monkeypatch) -> list[int]:
    runs, explain = [], explainer.explain
    monkeypatch.setattr(explainer, "explain", lambda *given, **named: runs.append(1) or explain(*given, **named))
    return runs


def test_the_same_pixels_and_question_are_asked_once(small, patch, monkeypatch):
    runs, recent = counted(small, monkeypatch), Recent()
    first = recent.explain(small, patch, "malignant")
    assert recent.explain(small, patch.copy(), "malignant") is first
    assert len(runs) == 1
    assert torch.equal(first.maps["grad_cam"], Explainer.explain(small, patch, "malignant").maps["grad_cam"])


def test_whatever_differs_is_asked_anew(small, patch, monkeypatch):
    runs, recent = counted(small, monkeypatch), Recent()
    other = patch.copy()
    other.putpixel((0, 0), (1, 2, 3))
    questions = [
        (patch, {}), (other, {}), (patch.transpose(0), {}), (patch, {"target": "benign"}), (patch, {"layer": "layer3"}),
        (patch, {"methods": ("grad_cam", "layer_cam")}), (patch, {"evidence": "against", "target": "benign"}),
        (patch, {"target": ("benign", "malignant")}), (patch, {"zoom": 1.5}),
    ]  # fmt: skip
    found = [recent.explain(small, picture, **question) for picture, question in questions]
    assert len(runs) == len(questions)
    assert len({id(e) for e in found}) == len(questions)


def test_another_network_is_asked_itself_and_none_is_kept_for_it(small, patch):
    recent = Recent()
    first = recent.explain(small, patch, "malignant")
    model = DALAResNet50(small.model.class_names, small.preprocessing).eval()
    other = Explainer(model, device="cpu")
    assert recent.explain(other, patch, "malignant").probabilities != first.probabilities
    gone = ref(other)
    del other
    gc.collect()
    assert gone() is None


def test_the_least_recently_asked_makes_room(small, monkeypatch):
    runs, recent = counted(small, monkeypatch), Recent(2)
    a, b, c = (phantom.make(seed, size=(128, 96)).picture for seed in range(3))
    for picture in (a, b, a, c, a, b):
        recent.explain(small, picture)
    assert len(runs) == 4
