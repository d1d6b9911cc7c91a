"""Explain images with class activation maps: an image in, an `Explanation` out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import torch
from PIL import Image
from torch import Tensor, nn

from dala import cam, models
from dala.cam.targets import Choice, Target
from dala.explain import batching, contract, shift
from dala.explain.batching import Batch
from dala.explain.engine import Engine, plain
from dala.explain.explanation import Explanation
from dala.explain.own_engine import OwnEngine
from dala.explain.question import ExplainError, Fields, Question
from dala.images import reading
from dala.images.preprocessing import Preprocessing, fit, normalised, to_tensor, zoomed
from dala.models.dala_resnet import DALAResNet50
from dala.models.device import find_device
from dala.progress import Progress

__all__ = ["ExplainError", "Explainer", "Explanation", "Question"]


class Explainer:
    """Explains images with one network. Keeps no state between calls; safe to call from several threads.

    A DALAResNet50 is copied, with its batch-norm layers folded, and split into its stages; after more training, make a
    new Explainer. Any other network needs its split point: `features` up to the feature maps, `head` from there on. Its
    one layer is called "features", and the network itself is used as it is: in evaluation mode, on its own device, in
    its own dtype. See dala/explain/README.md.

    Args:
        model: not changed. Also a DALAResNet50 in torch.compile or DataParallel. A number as its attribute
            `temperature` divides the logits before the softmax.
        device: of a DALAResNet50's copy, "cpu", "cuda", "mps", ...; None for `DALA_DEVICE`, else the best available.
        origin: where the weights came from: for the record, and for `shift.json` beside them.
        features, head: parts of another network, (N, 3, H, W) -> (N, C, h, w) and from there to (N, classes) logits.
            Features may also be (N, h, w, C), or tokens (N, L, C) in the order of the grid's rows.
        class_names: of another network, in the order of the logits; two, negative and positive, for a single logit.
        preprocessing: of another network, default 224 x 224.
        multi_label: its classes do not exclude each other; probabilities are sigmoids. So they are for a single class.
        probabilities: its head ends in softmax or sigmoid. Prefer logits, whose gradients do not vanish near certainty.

    Raises:
        ExplainError: another network that lacks one of these, or cannot be used.
    """

    def __init__(
        self,
        model: nn.Module,
        device: str | None = None,
        origin: models.LoadedModel | None = None,
        *,
        features: Callable[[Tensor], Any] | None = None,
        head: Callable[[Any], Any] | None = None,
        class_names: Sequence[str] | Mapping[Any, Any] | None = None,
        preprocessing: Preprocessing | None = None,
        multi_label: bool = False,
        probabilities: bool = False,
    ) -> None:
        self.model, self.origin = contract.unwrapped(model), origin
        split = {"features": features, "head": head, "class_names": class_names}
        outputs = {"multi_label": multi_label, "probabilities": probabilities}
        self.engine: Engine
        if isinstance(self.model, DALAResNet50):
            contract.without_own(**split, preprocessing=preprocessing, **outputs)
            contract.filled(self.model)
            self.device = find_device(device)
            self.engine = Engine.of(self.model, self.device)
            names: Sequence[str] = self.model.class_names
            preprocessing = self.model.preprocessing
        else:
            self.model = model
            self.engine = OwnEngine.given(model, device, *split.values(), **outputs)
            self.device, names = self.engine.device, self.engine.names
        self.class_names: tuple[str, ...] = tuple(names)
        self.provenance = self.model.provenance if isinstance(self.model, DALAResNet50) else {}
        self.preprocessing = preprocessing or Preprocessing(224, 224)
        self.layers = tuple(self.engine.stages)
        self.laboratories = shift.beside(origin) if origin else None
        cam.load_own()

    @classmethod
    def load(
        cls, source: str | Path | None = None, device: str | None = None, progress: Progress | None = None
    ) -> "Explainer":
        """Load weights from a folder, a file or a Hub id; see `dala.models.load`."""
        origin = models.load(source, progress=progress)
        return cls(origin.model, device, origin)

    def preprocess(self, image: Image.Image) -> Tensor:
        """RGB image -> (1, 3, H, W) float32 on the CPU, the network's input."""
        return to_tensor(image, self.preprocessing)

    def explain(
        self,
        image: reading.Source,
        target: Question | Target | None = None,
        *,
        zoom: float | None = None,
        progress: Progress | None = None,
        **fields: Unpack[Fields],
    ) -> Explanation:
        """Explain one image.

        Args:
            image: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 array.
            target: a class by name or index, a pair (a, b) for the margin of a over b, or a function of the logits;
                None for the predicted class. Or a whole `Question`.
            zoom: factor by which the image is resized, if its scale is known (`preprocessing.zoom_of`); None fits it to
                the area of the training size.
            progress: called with (done, total) network runs by methods that rerun; an exception raised in it cancels.
            fields: `methods`, `layer` and `evidence`, see `Question`.

        Raises:
            ImageError, TargetError, ExplainError: an image that cannot be used; a class, method, layer or kind of
                evidence that does not exist.
        """
        return self.explain_image(reading.read(image), Question.of(target, **fields), zoom, progress)

    def explain_image(
        self, image: Image.Image, question: Question, zoom: float | None = None, progress: Progress | None = None
    ) -> Explanation:
        """Explain an image that `dala.images.reading.read` returned, or a crop of one; see `explain`."""
        self.check(question)
        layer = question.layer or self.layers[-1]
        return self._run(Batch([image], [question.target], question, (layer,), zoom, progress))[0][layer]

    def explain_layers(
        self,
        image: reading.Source,
        layers: Sequence[str],
        target: Question | Target | None = None,
        *,
        zoom: float | None = None,
        progress: Progress | None = None,
        **fields: Unpack[Fields],
    ) -> dict[str, Explanation]:
        """Explain one image at several layers, which share the forward and the backward pass; see `explain`."""
        if not layers:
            raise ExplainError(f"Name a layer: {', '.join(self.layers)}.")
        question = Question.of(target, **fields)
        for layer in layers:
            self.check(question, layer=layer)
        return self._run(Batch([reading.read(image)], [question.target], question, layers, zoom, progress))[0]

    def explain_batch(
        self,
        pictures: Sequence[reading.Source],
        target: Question | Target | list[Target | None] | None = None,
        *,
        chunk: int = 8,
        progress: Progress | None = None,
        **fields: Unpack[Fields],
    ) -> list[Explanation]:
        """Explain many images; those of one size share a forward pass. Results are in the order of the images.

        Args:
            pictures, fields: see `explain`.
            target: for all images, see `explain`; or a list of targets, one for each image.
            chunk: images in one forward pass.
            progress: see `explain`; starts from 0 for each chunk.
        """
        question = Question.of(None if isinstance(target, list) else target, **fields)
        wanted = target if isinstance(target, list) else [question.target] * len(pictures)
        if len(wanted) != len(pictures) or chunk < 1:
            raise ExplainError("Give one target for all or one for each picture, and at least one picture a chunk.")
        for one in wanted:
            self.check(replace(question, target=one))
        layer, read = question.layer or self.layers[-1], [reading.read(p) for p in pictures]
        results: dict[int, Explanation] = {}
        for group in batching.groups(read, self.preprocessing, chunk):
            batch = Batch([read[i] for i in group], [wanted[i] for i in group], question, (layer,), None, progress)
            results |= {i: result[layer] for i, result in zip(group, self._run(batch), strict=True)}
        return [results[i] for i in range(len(pictures))]

    def retarget(
        self, explanation: Explanation, target: Question | Target | None = None, **fields: Unpack[Fields]
    ) -> Explanation:
        """Explain the same image for another target: only the network above the layer runs again.

        Args:
            explanation: its image, layer and, unless `fields` or a `Question` replace them, methods and evidence are
                kept. Without its `features`, the whole network runs again.
            target, fields: see `explain`.
        """
        e = explanation
        if isinstance(target, Question):
            question = Question.of(target, **fields)
        else:
            question = replace(Question(None, tuple(e.signed), e.layer, e.evidence), target=target, **fields)
        if e.features is None or question.layer not in (None, e.layer):
            result = self.explain_image(e.picture, question, zoom=1.0)
            return replace(result, original_size=e.original_size, thumbnail=e.thumbnail)
        self.check(question)
        ((title, score),) = Choice(e.class_names, [question.target], question.evidence)(e.logits[None])
        form = e.features.form
        with plain(self.device), torch.no_grad():
            activations = e.features.activations.to(self.device)
            _, gradient = cam.score_gradient(self.engine.head(e.layer, form), activations, [score])
            reruns = any(cam.METHODS[name].reruns for name in question.methods)
            inputs = normalised(e.picture, self.preprocessing) if reruns else None, activations, gradient, [score]
            maps = self.engine.maps(question.methods, e.layer, *inputs, forms=[form] if form else ())
        signed = {name: values[0] for name, values in maps.items()}
        features = replace(e.features, gradient=gradient)
        return replace(e, target=title, evidence=question.evidence, signed=signed, features=features)

    def check(self, target: Question | Target | None = None, **fields: Unpack[Fields]) -> None:
        """Raise TargetError or ExplainError if one of these does not exist; see `explain`."""
        Question.of(target, **fields).check(self.class_names, self.layers)

    def _run(self, batch: Batch) -> list[dict[str, Explanation]]:
        """An explanation by layer, for each image; in parts or on the CPU if a GPU's memory is too small."""
        with plain(self.device), torch.no_grad():
            return batching.within_memory(self._at_once, batch, lambda rest: self._on_cpu._at_once(rest))

    @cached_property
    def _on_cpu(self) -> "Explainer":
        if not isinstance(self.model, DALAResNet50):
            raise ExplainError("The GPU's memory is too small for this picture: use a smaller one, or the CPU.")
        return Explainer(batching.copy_on_cpu(self.model), "cpu", self.origin)

    def _at_once(self, batch: Batch) -> list[dict[str, Explanation]]:
        """As `_run`, in one pass of the network."""
        size = self.preprocessing
        fitted = [zoomed(p, batch.zoom, size) if batch.zoom else fit(p, size) for p in batch.images]
        x = torch.cat([normalised(p, size) for p in fitted])
        choice = Choice(self.class_names, tuple(batch.targets), batch.question.evidence)
        done = self.engine.run(x, batch.layers, choice)
        contract.finite(done.logits, "outputs")
        temperature = self.model.temperature if isinstance(self.model, DALAResNet50) else done.temperature
        known = {"class_names": self.class_names, "temperature": temperature, "laboratories": self.laboratories}
        results: list[dict[str, Explanation]] = [{} for _ in fitted]
        for layer in batch.layers:
            features = done.activations[layer], done.gradients[layer]
            inputs = x, *features, done.scores
            signed = self.engine.maps(batch.question.methods, layer, *inputs, batch.progress, done.forms)
            for i, result in enumerate(results):
                maps = {name: values[i].clone() for name, values in signed.items()}
                result[layer] = batching.explanation(batch, i, fitted[i], done, layer, maps, **known)
        return results
