"""Picture in, explanation out: the network runs once, every class, method and threshold is asked of what it left."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from dala import (
    cam,
    models,
)
from dala.cam import (
    ablation,  # noqa: F401  registers its methods
    targets,
)
from dala.cam.targets import Target
from dala.errors import DalaError
from dala.explain.engine import Engine
from dala.explain.explanation import Explanation
from dala.images import (
    reading,
    stain_statistics,
)
from dala.images.preprocessing import Preprocessing, fit, fitted_size, normalised, to_tensor, zoomed
from dala.models.dala_resnet import DALAResNet50
from dala.models.device import find_device
from dala.progress import Progress

__all__ = ["ExplainError", "Explainer", "Explanation"]


class ExplainError(DalaError):
    """A method, layer or kind of evidence that does not exist."""


@dataclass(frozen=True)
class _Question:
    """What is asked of every picture of a group."""

    methods: Sequence[str]
    layers: Sequence[str]
    evidence: str
    progress: Progress = lambda done, total: None
    zoom: float | None = None


@dataclass(frozen=True)
class _Choice:
    """Which score explains each picture, once the logits are there. Plain data: it travels to where the network runs.

    Attributes:
        class_names: of the network.
        wanted: one target a picture; None for the predicted class.
        evidence: "for" or "against".
    """

    class_names: tuple[str, ...]
    wanted: Sequence[Target | None]
    evidence: str

    def named(self, logits: Tensor) -> list[tuple[str, targets.Score]]:
        """A name for people and the score, one a picture, from (N, classes) logits."""
        chosen = [int(row.argmax()) if t is None else t for row, t in zip(logits, self.wanted, strict=True)]
        found = [targets.resolve(self.class_names, t) for t in chosen]
        return [(name, _turned(score, self.evidence)) for name, score in found]

    def __call__(self, logits: Tensor) -> list[targets.Score]:
        return [score for _, score in self.named(logits)]


class Explainer:
    """Runs a network once per picture and explains it as often as asked. Safe to call from several threads.

    A DALAResNet50 is copied as it is now, its batch-norm folded, and cut into its stages; after more training, make a
    new Explainer. Any other network needs its split point: `features` up to the feature maps, `head` from there on; the
    one layer is then called "features", and the network is used as it is, in evaluation mode and where it lies.

    Args:
        model: left as it is.
        device: of a DALAResNet50's copy, "cpu", "cuda", "mps", ...; None finds the best, or takes `DALA_DEVICE`.
        origin: where the weights came from, for the record.
        features, head: (N, 3, H, W) -> (N, C, h, w) and (N, C, h, w) -> (N, classes), parts of `model`.
        class_names: for another network; a DALAResNet50 brings its own.
        preprocessing: likewise.
    """

    def __init__(
        self,
        model: nn.Module,
        device: str | None = None,
        origin: models.LoadedModel | None = None,
        *,
        features: Callable[[Tensor], Tensor] | None = None,
        head: Callable[[Tensor], Tensor] | None = None,
        class_names: Sequence[str] | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        self.model, self.origin = model, origin
        self.provenance = getattr(model, "provenance", {})
        if isinstance(model, DALAResNet50):
            self.device = find_device(device)
            self.engine = Engine.of(model, self.device)
            class_names, preprocessing = model.class_names, model.preprocessing
        elif features is None or head is None or class_names is None:
            raise ExplainError("Another network than DALAResNet50 needs features=, head= and class_names=.")
        elif model.training:
            raise ExplainError("The network is in training mode: call its eval() first.")
        else:
            self.device = next(model.parameters()).device
            self.engine = Engine({"features": features}, head, self.device)
        self.class_names = tuple(class_names)
        self.preprocessing = preprocessing or Preprocessing(224, 224)
        self.layers = tuple(self.engine.stages)
        cam.load_own()

    @classmethod
    def load(
        cls, source: str | Path | None = None, device: str | None = None, progress: Progress | None = None
    ) -> "Explainer":
        """From a folder, a file or a Hub id, whose download calls `progress`; see `dala.models.load`."""
        origin = models.load(source, progress=progress)
        return cls(origin.model, device, origin)

    def preprocess(self, picture: Image.Image) -> Tensor:
        """RGB picture -> (1, 3, H, W) float32 on the CPU: the one way into the network."""
        return to_tensor(picture, self.preprocessing)

    def explain(
        self,
        image: reading.Source,
        target: Target | None = None,
        methods: Sequence[str] = ("grad_cam",),
        layer: str | None = None,
        evidence: str = "for",
        progress: Progress | None = None,
        zoom: float | None = None,
    ) -> Explanation:
        """Explain one picture.

        Args:
            image: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 array.
            target: a class by name or index, a pair (a, b) for the margin of a over b, or a function of the logits;
                None for the predicted class. See `dala.cam.targets.resolve`.
            methods: names from `dala.cam.METHODS`, all from one pass but those that say `reruns`.
            layer: a name from `layers`; None for the last.
            evidence: "for" the target, or "against" it.
            progress: called with (done, total) network runs by methods that rerun; raise in it to cancel.
            zoom: by which the picture is resized, where its scale is known (`dala.images.preprocessing.zoom_of`); None fits it to the
                area of the training size.

        Raises:
            ImageError, TargetError, ExplainError: a picture that cannot be used; a class, method, layer or kind of
                evidence that does not exist.
        """
        chosen = layer or self.layers[-1]
        return self.explain_layers(image, (chosen,), target, methods, evidence, progress, zoom)[chosen]

    def explain_layers(
        self,
        image: reading.Source,
        layers: Sequence[str],
        target: Target | None = None,
        methods: Sequence[str] = ("grad_cam",),
        evidence: str = "for",
        progress: Progress | None = None,
        zoom: float | None = None,
    ) -> dict[str, Explanation]:
        """Explain one picture at several layers, which share the forward and the backward pass; see `explain`."""
        if not layers:
            raise ExplainError(f"Name a layer: {', '.join(self.layers)}.")
        for layer in layers:
            self.check(methods, layer, evidence, target)
        asked = _Question(methods, layers, evidence, progress or _Question.progress, zoom)
        return self._group([reading.read(image)], [target], asked)[0]

    def explain_batch(
        self,
        pictures: Sequence[reading.Source],
        target: Target | list[Target | None] | None = None,
        methods: Sequence[str] = ("grad_cam",),
        layer: str | None = None,
        evidence: str = "for",
        chunk: int = 8,
        progress: Progress | None = None,
    ) -> list[Explanation]:
        """Explain many pictures; those of one size share a forward pass, results come in the order given.

        Args:
            pictures, methods, layer, evidence, progress: as in `explain`; progress counts anew for each chunk.
            target: one for all, or a list with one a picture.
            chunk: pictures in one forward pass.
        """
        chosen = layer or self.layers[-1]
        wanted: list[Target | None] = target if isinstance(target, list) else [target] * len(pictures)
        if len(wanted) != len(pictures) or chunk < 1:
            raise ExplainError("Give one target for all or one for each picture, and at least one picture a chunk.")
        for one in wanted:
            self.check(methods, chosen, evidence, one)
        asked = _Question(methods, (chosen,), evidence, progress or _Question.progress)
        read = [reading.read(p) for p in pictures]
        by_size: dict[tuple[int, int], list[int]] = {}
        for i, picture in enumerate(read):
            by_size.setdefault(fitted_size(picture.size, self.preprocessing), []).append(i)
        found: dict[int, Explanation] = {}
        for group in by_size.values():
            for start in range(0, len(group), chunk):
                part = group[start : start + chunk]
                results = self._group([read[i] for i in part], [wanted[i] for i in part], asked)
                found |= {i: result[chosen] for i, result in zip(part, results, strict=True)}
        return [found[i] for i in range(len(pictures))]

    def retarget(
        self,
        explanation: Explanation,
        target: Target,
        methods: Sequence[str] | None = None,
        evidence: str | None = None,
    ) -> Explanation:
        """The same picture explained for another target: what lies above the layer runs again, and nothing below."""
        e = explanation
        methods, evidence = methods or tuple(e.signed), evidence or e.evidence
        self.check(methods, e.layer, evidence, target)
        name, score = targets.resolve(e.class_names, target)
        score = _turned(score, evidence)
        activations = e.activations.to(self.device)
        _, gradient = cam.score_gradient(self.engine.head(e.layer), activations, [score])
        x = (
            normalised(e.picture, self.preprocessing).to(self.device)
            if any(cam.METHODS[m].reruns for m in methods)
            else None
        )
        signed = self._maps(x, e.layer, activations, gradient, [score], _Question(methods, (e.layer,), evidence))
        maps = {m: values[0] for m, values in signed.items()}
        return replace(e, target=name, evidence=evidence, gradient=gradient, signed=maps)

    def _group(
        self, originals: list[Image.Image], wanted: Sequence[Target | None], asked: _Question
    ) -> list[dict[str, Explanation]]:
        """Explain pictures of one fitted size, by layer; in halves or on the CPU where a GPU's memory is too small."""
        try:
            return self._at_once(originals, wanted, asked)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
        if len(originals) == 1:
            warnings.warn("The GPU's memory holds not even one picture: explained on the CPU.", stacklevel=2)
            return self._on_cpu._at_once(originals, wanted, asked)
        half = len(originals) // 2
        warnings.warn(f"The GPU's memory is too small for {len(originals)} pictures: taken in halves.", stacklevel=2)
        first = self._group(originals[:half], wanted[:half], asked)
        return first + self._group(originals[half:], wanted[half:], asked)

    @cached_property
    def _on_cpu(self) -> "Explainer":
        if not isinstance(self.model, DALAResNet50):
            raise ExplainError("The GPU's memory is too small for this picture: use a smaller one, or the CPU.")
        old = self.model
        model = DALAResNet50(
            self.class_names, self.preprocessing, self.provenance, old.reduction, old.dropout, old.temperature
        )
        model.load_state_dict({name: value.cpu() for name, value in self.model.state_dict().items()})
        return Explainer(model, "cpu", self.origin)

    def _at_once(
        self, originals: list[Image.Image], wanted: Sequence[Target | None], asked: _Question
    ) -> list[dict[str, Explanation]]:
        size, zoom = self.preprocessing, asked.zoom
        pictures = [zoomed(p, zoom, size) if zoom else fit(p, size) for p in originals]
        x = torch.cat([normalised(p, size) for p in pictures])
        choice = _Choice(self.class_names, tuple(wanted), asked.evidence)
        done = self.engine.run(x, asked.layers, choice)
        titles, scores = zip(*choice.named(done.logits), strict=True)
        results: list[dict[str, Explanation]] = [{} for _ in pictures]
        for layer in asked.layers:
            activations, gradient = done.activations[layer], done.gradients[layer]
            signed = self._maps(x.to(self.device), layer, activations, gradient, scores, asked)
            gates = done.gates[layer].cpu() if layer in done.gates else None
            for i, result in enumerate(results):
                result[layer] = Explanation(
                    picture=pictures[i],
                    original_size=originals[i].size,
                    class_names=self.class_names,
                    logits=done.logits[i].float().cpu(),
                    target=titles[i],
                    evidence=asked.evidence,
                    layer=layer,
                    # Copies: a view would keep the whole batch alive.
                    activations=activations[i : i + 1].clone(),
                    gradient=gradient[i : i + 1].clone(),
                    signed={m: values[i].clone() for m, values in signed.items()},
                    temperature=getattr(self.model, "temperature", 1.0),
                    device=done.device,
                    seconds=done.seconds,
                    gate=None if gates is None else gates[i].clone(),
                    given=stain_statistics.reduced(originals[i]),
                )
        return results

    @torch.no_grad()
    def _maps(
        self,
        x: Tensor | None,
        layer: str,
        activations: Tensor,
        gradient: Tensor,
        scores: Sequence[targets.Score],
        asked: _Question,
    ) -> dict[str, Tensor]:
        head = self.engine.head(layer)
        heads = [_after(head, score) for score in scores]
        networks = [_after(self.engine.network, score) for score in scores]
        maps = {}
        for name in asked.methods:
            if cam.METHODS[name].reruns:
                maps[name] = cam.METHODS[name](x, activations, networks, asked.progress)
            else:
                maps[name] = cam.METHODS[name](activations, gradient, heads)
        return {name: values.float().cpu() for name, values in maps.items()}

    def check(
        self,
        methods: Sequence[str] = ("grad_cam",),
        layer: str | None = None,
        evidence: str = "for",
        target: Target | None = None,
    ) -> None:
        """Raise TargetError or ExplainError if one of these does not exist, before any picture is read."""
        if not methods:
            raise ExplainError(f"Name a method: {', '.join(cam.METHODS)}.")
        for kind, given, known in (
            ("method", methods, list(cam.METHODS)),
            ("layer", [layer] if layer else [], list(self.layers)),
            ("kind of evidence", [evidence], ["for", "against"]),
        ):
            unknown = [g for g in given if g not in known]
            if unknown:
                raise ExplainError(f"There is no {kind} {unknown[0]!r}: choose one of {', '.join(known)}.")
        if target is not None:
            targets.resolve(self.class_names, target)


def _turned(score: targets.Score, evidence: str) -> targets.Score:
    return score if evidence == "for" else lambda logits: -score(logits)


def _after(function: Callable[[Tensor], Tensor], score: targets.Score) -> Callable[[Tensor], Tensor]:
    return lambda x: score(function(x))
