"""A few loaded networks, shared by everybody who looks at them: the host's own, and those that visitors chose."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from dala import models
from dala.explain.explainer import Explainer
from dala.publishing.samples import Sample, of

__all__ = ["HOST", "Shelf"]

# The key of the network that the host started with; it is never displaced.
HOST = ""


class Shelf:
    """Networks by key: `HOST`, or "user/repo@commit". The least recently used makes room; asked for again, it comes
    back from the Hub client's cache at the very commit that its key names.

    Args:
        host: the network that everybody starts with.
        capacity: how many others are kept, each of about 200 MB.
        device: of the others; None for the best there is.
    """

    def __init__(self, host: Explainer, capacity: int = 2, device: str | None = None) -> None:
        self.host, self.capacity, self.device = host, capacity, device
        self._others: OrderedDict[str, Explainer] = OrderedDict()
        self._books = threading.Lock()
        # One at a time: memory is bounded, and two who want the same network load it once.
        self._loading = threading.Lock()

    def __getitem__(self, key: str) -> Explainer:
        """The network of a key that `add` gave.

        Raises:
            WeightsError: it was displaced, and is neither in the cache nor on the Hub any more.
        """
        return self.host if key == HOST else self._find(key) or self._load(key)

    def __len__(self) -> int:
        """Networks in memory, the host's among them."""
        return 1 + len(self._others)

    def add(self, source: str, progress: Callable[[int, int], None] | None = None) -> str:
        """The key of a network on the Hub, loaded and checked.

        Args:
            source: `user/repo` or `user/repo@revision`; never a path, since visitors choose it.
            progress: called with (bytes done, total) during a download; what it raises cancels.

        Raises:
            WeightsError: not such an id, or weights that cannot be had or used.
        """
        return self._key(self._load(source, progress))

    def samples(self, key: str) -> list[Sample]:
        """The samples that a network brings along; none where it brings none.

        Raises:
            SamplesError: see `dala.publishing.samples.of`.
        """
        origin = self[key].origin
        return of(origin) if origin else []

    def _find(self, key: str) -> Explainer | None:
        with self._books:
            if key in self._others:
                self._others.move_to_end(key)
            return self._others.get(key)

    def _load(self, source: str, progress: Callable[[int, int], None] | None = None) -> Explainer:
        with self._loading:
            if (there := self._find(source)) is not None:
                return there
            origin = models.load_from_hub(source, progress)
            key = f"{origin.source}@{origin.revision}"
            explainer = self._find(key) or Explainer(origin.model, self.device, origin)
            with self._books:
                self._others[key] = explainer
                while len(self._others) > self.capacity:
                    self._others.popitem(last=False)
            return explainer

    @staticmethod
    def _key(explainer: Explainer) -> str:
        assert explainer.origin is not None  # noqa: S101  everything on the shelf was loaded  # nosec B101
        return f"{explainer.origin.source}@{explainer.origin.revision}"
