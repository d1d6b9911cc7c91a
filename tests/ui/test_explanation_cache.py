"""The cache of explanations: a picture is explained once, and no visitor gets the explanation of another picture."""

import gc
from weakref import ref

import torch

from dala import DALAResNet50, Explainer
from dala.explain.question import Question
from dala.phantoms import phantom
from dala.ui.explanation_cache import ExplanationCache


def counted(explainer, monkeypatch) -> list[int]:
    runs, explain = [], explainer.explain_image
    monkeypatch.setattr(explainer, "explain_image", lambda *arguments: runs.append(1) or explain(*arguments))
    return runs


def test_the_same_pixels_and_question_are_explained_once(small, patch, monkeypatch):
    runs, cache = counted(small, monkeypatch), ExplanationCache()
    first = cache.explain(small, patch, Question("malignant"))
    assert cache.explain(small, patch.copy(), Question("malignant")) is first
    assert len(runs) == 1
    assert torch.equal(first.maps["grad_cam"], Explainer.explain(small, patch, "malignant").maps["grad_cam"])


def test_whatever_differs_is_explained_anew(small, patch, monkeypatch):
    runs, cache = counted(small, monkeypatch), ExplanationCache()
    other = patch.copy()
    other.putpixel((0, 0), (1, 2, 3))
    plain = Question()
    questions = [
        (patch, plain, None), (other, plain, None), (patch.transpose(0), plain, None), (patch, plain, 1.5),
        (patch, Question("benign"), None), (patch, Question(layer="layer3"), None),
        (patch, Question(methods=("grad_cam", "layer_cam")), None),
        (patch, Question("benign", evidence="against"), None), (patch, Question(("benign", "malignant")), None),
    ]  # fmt: skip
    results = [cache.explain(small, picture, question, zoom) for picture, question, zoom in questions]
    assert len(runs) == len(questions)
    assert len({id(e) for e in results}) == len(questions)


def test_another_network_has_its_own_explanations_and_is_not_kept_alive(small, patch):
    cache = ExplanationCache()
    first = cache.explain(small, patch, Question("malignant"))
    model = DALAResNet50(small.model.class_names, small.preprocessing).eval()
    other = Explainer(model, device="cpu")
    assert cache.explain(other, patch, Question("malignant")).probabilities != first.probabilities
    gone = ref(other)
    del other
    gc.collect()
    assert gone() is None


def test_what_nobody_holds_is_dropped(small, monkeypatch):
    runs, cache = counted(small, monkeypatch), ExplanationCache()
    a, b = (phantom.make(seed, size=(128, 96)).picture for seed in range(2))
    held = cache.explain(small, a, Question())
    cache.explain(small, b, Question())
    gc.collect()
    assert len(cache) == 1
    assert cache.explain(small, a, Question()) is held
    cache.explain(small, b, Question())
    assert len(runs) == 3
