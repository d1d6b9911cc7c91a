"""What a session shows: a picture file, how it is to be explained, and its explanation."""

from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from PIL import Image

from dala.errors import DalaError
from dala.explain.explanation import Explanation
from dala.images import tiles

__all__ = ["Current", "ExpiredError", "Source", "require"]

_serials = count(1)


class ExpiredError(DalaError):
    """The state of a session was deleted because the page was idle for too long."""

    def __init__(self) -> None:
        super().__init__("This explanation has expired: choose the picture again.")


@dataclass(frozen=True)
class Source:
    """A picture file, and how it is to be explained.

    Attributes:
        file: the uploaded file or the sample.
        about: one line about it: resolution, origin, licence.
        scale: its magnification, such as "100X"; None if unknown.
        box: the part that is explained; None for the whole picture.
        generated: whether no laboratory has made it.
        sample: its name among the samples; empty for an upload.
    """

    file: Path
    about: str = ""
    scale: str | None = None
    box: tiles.Box | None = None
    generated: bool = False
    sample: str = ""


@dataclass(frozen=True, eq=False)
class Current:
    """The current picture of a session, explained by the session's network.

    Attributes:
        explanation: without its gradient and on the CPU, since a session may keep it for an hour.
        source: the file that was explained.
        model: the network's key in the `ModelCache`.
        parts: boxes of a large picture that can be explained instead; see `dala.images.tiles.Selection`.
        thumbnails: of the whole and of every part; empty if there are no parts.
        patches: how many patches the whole picture contains.
        serial: unique; a new one for every new explanation.
    """

    explanation: Explanation
    source: Source
    model: str
    parts: tuple[tiles.Box, ...]
    thumbnails: tuple[Image.Image, ...]
    patches: float
    serial: str

    @classmethod
    def of(cls, explanation: Explanation, source: Source, model: str, selection: tiles.Selection) -> "Current":
        """As the constructor, with a new serial, from an explanation without gradient."""
        s = selection
        return cls(explanation, source, model, s.parts, s.thumbnails, s.patches, str(next(_serials)))

    def with_explanation(self, explanation: Explanation) -> "Current":
        """The same picture with another explanation and a new serial."""
        return replace(self, explanation=explanation.without_gradient(), serial=str(next(_serials)))


def require(current: Current | None) -> Current:
    """Return the session's picture.

    Raises:
        ExpiredError: there is none any more.
    """
    if current is None:
        raise ExpiredError
    return current
