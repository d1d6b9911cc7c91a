"""The samples that the sidebar offers: those of the network, then those of the app."""

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image

from dala.images import preprocessing, reading
from dala.publishing.samples import Sample, SamplesError
from dala.ui.current import Source
from dala.ui.model_cache import HOST, ModelCache

__all__ = ["SampleList"]


class SampleList:
    """Samples by the key of a network in the cache."""

    def __init__(self, models: ModelCache, samples: Sequence[Sample]) -> None:
        own = list(models.samples(HOST))
        self.of = lru_cache(maxsize=8)(
            lambda model: own + list(samples) if model == HOST else [*models.samples(model), *samples]
        )

    def gallery(self, model: str) -> list[tuple[Image.Image, str]]:
        """Thumbnails and captions.

        Raises:
            SamplesError: a file that is no picture.
        """
        return [(_thumbnail(s), s.caption) for s in self.of(model)]

    def source(self, index: int, model: str) -> Source:
        """One of them, as a picture to explain."""
        sample = self.of(model)[index]
        resolution = f"{sample.um_per_pixel:g} µm per pixel" if sample.um_per_pixel else ""
        about = " · ".join(filter(None, (resolution, sample.origin, sample.licence)))
        name = self.names(model)[index]
        return Source(sample.file, about, sample.magnification, generated=sample.generated, sample=name)

    def names(self, model: str) -> list[str]:
        """A name for each sample, for the page's address: its file's, and a number where two files share one."""
        stems = [sample.file.stem for sample in self.of(model)]
        return [f"{stem}-{i}" if stem in stems[:i] else stem for i, stem in enumerate(stems)]


def _thumbnail(sample: Sample) -> Image.Image:
    try:
        picture = reading.read(sample.file)
    except preprocessing.ImageError as error:
        raise SamplesError(f"{sample.file}: {error}") from error
    picture.thumbnail((240, 160))
    return picture
