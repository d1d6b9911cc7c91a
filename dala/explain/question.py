"""The question about an image: the class, the methods, the layer and the kind of evidence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypedDict, Unpack

from dala import cam
from dala.cam.targets import Target, resolve
from dala.errors import DalaError

__all__ = ["ExplainError", "Fields", "Question"]


class ExplainError(DalaError):
    """A method, layer or kind of evidence that does not exist."""


class Fields(TypedDict, total=False):
    """The attributes of `Question` other than its target, as keyword arguments."""

    methods: Sequence[str]
    layer: str | None
    evidence: str


@dataclass(frozen=True)
class Question:
    """What to explain, and how. Hashable if its target is.

    Attributes:
        target: a class by name or index, a pair (a, b) for the margin of a over b, or a function of the logits; None
            for the predicted class. See `dala.cam.targets.resolve`.
        methods: names from `dala.cam.METHODS`. All of them share one pass, except those with `reruns`.
        layer: a name from `Explainer.layers`; None for the last.
        evidence: "for" the target, or "against" it.
    """

    target: Target | None = None
    methods: Sequence[str] = (cam.DEFAULT_METHOD,)
    layer: str | None = None
    evidence: str = "for"

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", tuple(self.methods))

    @classmethod
    def of(cls, target: "Question | Target | None" = None, **fields: Unpack[Fields]) -> "Question":
        """A question with this target; or, from another question, the same with some attributes replaced."""
        return replace(target, **fields) if isinstance(target, Question) else cls(target, **fields)

    def check(self, class_names: Sequence[str], layers: Sequence[str]) -> None:
        """Raise TargetError or ExplainError if the target, a method, the layer or the evidence does not exist."""
        if not self.methods:
            raise ExplainError(f"Name a method: {', '.join(cam.METHODS)}.")
        for kind, names, known in (
            ("method", self.methods, list(cam.METHODS)),
            ("layer", [self.layer] if self.layer else [], layers),
            ("kind of evidence", [self.evidence], ["for", "against"]),
        ):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise ExplainError(f"There is no {kind} {unknown[0]!r}: choose one of {', '.join(known)}.")
        if self.target is not None:
            resolve(class_names, self.target)

    def to_json(self) -> dict[str, Any]:
        """The attributes as a dictionary of plain values, if the target is one."""
        return asdict(self)
