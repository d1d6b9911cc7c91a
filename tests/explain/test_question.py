"""The question about an image, the scores that it leads to, and the batches that answer it."""

import pickle

import pytest
import torch
from PIL import Image

from dala.cam.targets import Choice, TargetError
from dala.explain.batching import Batch, groups, within_memory
from dala.explain.question import ExplainError, Question
from dala.images.preprocessing import Preprocessing

NAMES = ("benign", "malignant")


def test_a_target_or_a_question_becomes_a_question():
    assert Question.of("benign", layer="layer3") == Question("benign", layer="layer3")
    first = Question("benign", ["grad_cam", "layer_cam"], "layer3", "against")
    assert Question.of(first) == first
    assert Question.of(first, evidence="for") == Question("benign", ("grad_cam", "layer_cam"), "layer3", "for")
    assert Question.of() == Question()


def test_questions_are_keys_and_json():
    asked = Question(("malignant", "benign"), ["grad_cam"])
    assert {asked: 1}[Question(("malignant", "benign"), ("grad_cam",))] == 1
    assert list(asked.to_json()) == ["target", "methods", "layer", "evidence"]


def test_what_does_not_exist_is_refused():
    Question(("malignant", "benign"), layer="layer4").check(NAMES, ["layer4"])
    for question, error, text in (
        (Question(layer="layer9"), ExplainError, "no layer 'layer9': choose one of layer4"),
        (Question(methods=["magic"]), ExplainError, "no method 'magic'"),
        (Question(methods=()), ExplainError, "Name a method"),
        (Question(evidence="both"), ExplainError, "no kind of evidence 'both'"),
        (Question("cancer"), TargetError, "no class 'cancer'"),
    ):
        with pytest.raises(error, match=text):
            question.check(NAMES, ["layer4"])


def test_scores_travel_to_another_process():
    logits = torch.tensor([[1.0, 3.0], [2.0, 0.5], [1.0, 4.0]])
    choice = Choice(NAMES, (None, "malignant", ("benign", "malignant")), "against")
    chosen = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(choice))(logits)))
    assert [title for title, _ in chosen] == ["malignant", "malignant", "benign over malignant"]
    assert [float(score(logits[i : i + 1])) for i, (_, score) in enumerate(chosen)] == [-3.0, -0.5, 3.0]


def test_images_of_one_size_are_grouped_in_chunks():
    sizes = [(128, 96), (96, 128), (128, 96), (128, 96), (96, 128)]
    images = [Image.new("RGB", size) for size in sizes]
    assert list(groups(images, Preprocessing(96, 128), 2)) == [[0, 2], [3], [1, 4]]


def test_a_batch_is_halved_until_it_fits_and_keeps_its_order():
    batch = Batch([Image.new("RGB", (40 + i, 40)) for i in range(5)], ["benign"] * 5, Question(), ["attention"])
    sizes = []

    def run(part):
        sizes.append(len(part.images))
        if len(part.images) > 2:
            raise torch.OutOfMemoryError("simulated")
        assert len(part.targets) == len(part.images)
        return [image.width for image in part.images]

    with pytest.warns(UserWarning, match="taken in halves"):
        assert within_memory(run, batch, lambda part: []) == [40, 41, 42, 43, 44]
    assert sizes == [5, 2, 3, 1, 2]
