"""Runs a network of one's own, given as features and head, as it is: it is neither copied nor changed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, Self

import torch
from torch import Tensor, nn

from dala.cam.targets import total_score
from dala.explain import contract, outputs
from dala.explain.engine import Choose, Engine, Pass, Stage, plain
from dala.explain.form import Form, formed
from dala.explain.question import ExplainError
from dala.models.device import find_device

__all__ = ["OwnEngine"]

LAYER = "features"
# By which share of the largest value results of the same picture may differ: by rounding in another batch.
SAME, SAME_HALF = 1e-3, 3e-2
SCALES = 8  # powers of ten of random features: a head that gives probabilities stays from 0 to 1 for all of them


class OwnEngine(Engine):
    """A network of one's own, as an engine with one stage; see `dala.explain.explainer.Explainer`.

    What `dala.explain.contract` asks for is checked at every pass. The first pass also runs the network on a picture of
    noise, to see that it depends on the picture, on nothing else, and gives logits; networks for which a picture's
    result depends on the rest of its batch, or that take one picture at a time, then get one at a time.

    Args:
        model, features, head: the network and its two parts.
        names: of the classes.
        device: the network's.
        multi_label: classes do not exclude each other.
        probabilities: the head ends in softmax or sigmoid.
    """

    def __init__(
        self,
        model: nn.Module,
        features: Callable[[Any], Any],
        head: Callable[[Any], Any],
        names: Sequence[str],
        device: torch.device,
        multi_label: bool = False,
        probabilities: bool = False,
    ) -> None:
        super().__init__({LAYER: features}, head, device)
        self.model, self.names, self.probabilities = model, names, probabilities
        self.multi_label = multi_label or len(names) == 1
        self.half = self.half and self._dtype() == torch.float32
        self._single = False
        self._alone, self._checked, self._lock = False, False, Lock()
        contract.check_modes(model, features, head)

    @classmethod
    def given(cls, model: Any, device: str | None, features: Any, head: Any, class_names: Any, **kind: bool) -> Self:
        """An engine from what a user gives; see `dala.explain.explainer.Explainer`.

        Raises:
            ExplainError: what is missing, or cannot be used.
        """
        place = contract.placed(model, features, head, class_names, find_device(device) if device else None)
        return cls(model, features, head, contract.checked_names(class_names), place, **kind)

    def head(self, layer: str, form: Form | None = None) -> Stage:
        """From (M, C, h, w), variants of the feature maps of one image, to (M, classes) logits."""
        if form is None:
            raise ExplainError("These features were kept without their form: explain the picture again.")
        return lambda a: torch.cat([self._classes(form.restored(part), len(part)) for part in self._parts(a)])

    def network(self, x: Tensor, half: bool = False) -> Tensor:
        """(N, 3, H, W) -> (N, classes) logits, without a graph; `half` uses bf16 if the device is a CPU."""
        self._check(x)
        with plain(self.device), torch.no_grad(), self._mixed(half):
            return torch.cat([self._classes(self._output(part), len(part)) for part in self._parts(x)]).float()

    def run(self, x: Tensor, layers: Sequence[str], choose: Choose) -> Pass:
        """One forward pass, and one backward pass of the head; see `Engine.run`."""
        self._check(x)
        began = time.perf_counter()
        with plain(self.device), torch.enable_grad():
            below = [self._features(part) for part in self._parts(x)]
            starts = [a.requires_grad_() for a, _ in below]
            logits = torch.cat([self._classes(form.restored(a), len(a)) for a, form in below])
            contract.finite(logits, "outputs")
            contract.differentiable(logits)
            titles, scores = zip(*choose(logits.detach()), strict=True)
            total = total_score(scores, logits)
            gradients = contract.called("The backward pass", partial(_gradients, starts=starts), total, "the head")
        activations, gradient = torch.cat([a.detach() for a in starts]), torch.cat(gradients)
        contract.finite(gradient, "gradients")
        forms = tuple(form.of(i) for a, form in below for i in range(len(a)))
        if not gradient.any():
            self._check_head(activations[:1], forms[0])
        return Pass(
            logits=logits.detach(),
            titles=titles,
            scores=scores,
            activations={LAYER: activations},
            gradients={LAYER: gradient},
            gates={},
            seconds=time.perf_counter() - began,
            device=self.device.type,
            forms=forms,
            multi_label=self.multi_label,
            temperature=contract.temperature(self.model) * (2 if self._single else 1),
        )

    def _dtype(self) -> torch.dtype:
        """Of the first floating-point parameter of the features, else of the network."""
        parts = [part for part in (self.stages[LAYER], self.model) if isinstance(part, nn.Module)]
        kinds = (p.dtype for part in parts for p in part.parameters() if p.is_floating_point() and p.itemsize > 1)
        return next(kinds, torch.float32)

    def _parts(self, x: Tensor) -> Sequence[Tensor]:
        return x.split(1) if self._alone else [x]

    def _output(self, x: Tensor) -> Any:
        """What the features return for a copy of the input, in the network's dtype and in contiguous memory."""
        copied = x.to(self.device, self._dtype(), copy=True, memory_format=torch.contiguous_format)
        given = f"{'a picture' if len(x) == 1 else f'{len(x)} pictures'} of {x.shape[3]}x{x.shape[2]} px"
        return contract.called("features", self.stages[LAYER], copied, given, contract.ONE_SIZE)

    @torch.no_grad()
    def _features(self, x: Tensor) -> tuple[Tensor, Form]:
        with self._mixed():
            a, form = formed(self._output(x), len(x), (x.shape[2], x.shape[3]))
        contract.finite(a, "features")
        # With autocast, what it returned is not what the head takes without.
        return a, replace(form, dtype=self._dtype()) if self.half else form

    def _classes(self, features: Any, images: int) -> Tensor:
        return outputs.as_classes(self._raw(features, images), self.names, self.multi_label, self.probabilities)

    def _raw(self, features: Any, images: int) -> Tensor:
        """The head's outputs, (N, outputs)."""
        given = f"what features returns, {contract.outline(features)}"
        return outputs.logits(contract.called("head", self.last, features, given), images, len(self.names))

    def _check(self, x: Tensor) -> None:
        contract.check_modes(self.model, self.stages[LAYER], self.last)
        with self._lock:
            if not self._checked:
                with plain(self.device), torch.no_grad():
                    self._first_pass(x[:1].to(self.device))
                self._checked = True

    def _first_pass(self, x: Tensor) -> None:
        """Compare the results of a picture alone, with noise in the batch, and of the noise."""
        a, logits, form = self._both(x)
        outputs.as_classes(logits, self.names, self.multi_label, self.probabilities)
        self._single = logits.shape[1] < len(self.names)
        pair = torch.cat([x, self._noise(x.shape)])
        try:
            together = self._both(pair)[:2]
        except (ExplainError, torch.OutOfMemoryError):  # of one picture at a time
            together = None
        if together is None or not self._same((a, logits), [t[:1] for t in together]):
            self._alone = True
            if not self._same((a, logits), self._both(x)[:2]):
                raise ExplainError(contract.RANDOM)
        if torch.equal(a, self._both(pair[1:])[0] if together is None else together[0][1:]):
            raise ExplainError(contract.CONSTANT)
        if logits.min() >= 0 and logits.max() <= 1 and self._bounded(a, form) != self.probabilities:
            raise ExplainError(contract.UNBOUNDED if self.probabilities else contract.BOUNDED)

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor, Form]:
        """Feature maps, outputs of the head, and form."""
        a, form = self._features(x)
        raw = self._raw(form.restored(a), len(a))
        contract.finite(raw, "outputs")
        return a, raw.float(), form

    def _same(self, expected: Sequence[Tensor], got: Sequence[Tensor]) -> bool:
        share = SAME if self._dtype().itemsize >= 4 and not self.half else SAME_HALF
        return all(
            a.shape == b.shape and bool((a - b).abs().max() <= share * a.abs().max())
            for a, b in zip(expected, got, strict=True)
        )

    def _bounded(self, a: Tensor, form: Form) -> bool:
        """Whether the head gives probabilities: outputs from 0 to 1 whatever the features are."""
        scales = (3 * a.std() * 10.0 ** torch.arange(SCALES, device=a.device)).clamp(max=1e4)
        vectors = self._noise((SCALES, a.shape[1], 1, 1)) * scales[:, None, None, None] + a.mean()
        maps = vectors.expand(-1, -1, *a.shape[2:])
        raw = torch.cat([self._raw(form.restored(one), 1) for one in maps.split(1)])
        return bool(raw.min() >= 0 and raw.max() <= 1 and (self.probabilities or (raw != raw[0]).any()))

    def _check_head(self, a: Tensor, form: Form) -> None:
        """Refuse a head that does not look at the feature maps."""
        with plain(self.device), torch.no_grad():
            both = [self._raw(form.restored(maps), 1) for maps in (a, self._noise(a.shape) * (1 + a.std()))]
        if torch.equal(*both):
            tokens = form.prefix is not None and form.prefix.shape[1] > 0
            raise ExplainError(contract.UNUSED + contract.TOKENS * tokens)

    def _noise(self, shape: Sequence[int]) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(*shape, generator=generator, dtype=torch.float32, device="cpu").to(self.device)


def _gradients(total: Tensor, starts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of the total with respect to each start; zero where it does not depend on it."""
    return torch.autograd.grad(total, starts, materialize_grads=True)
