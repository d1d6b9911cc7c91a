"""A cache of networks, shared by all visitors: the one that the app starts with, and those that visitors chose."""

import threading

from dala import models
from dala.explain.explainer import Explainer
from dala.lru import LRU
from dala.progress import Progress
from dala.publishing.samples import Sample, of

__all__ = ["HOST", "ModelCache"]

# The key of the network that the app starts with; it is never dropped.
HOST = ""


class ModelCache:
    """Networks by key: `HOST`, or "user/repo@commit".

    The least recently used network is dropped; if it is needed again, it is loaded from the Hub client's cache at the
    commit in its key.

    Args:
        host: the network that the app starts with.
        capacity: number of others in memory, each of about 200 MB.
        device: of the others; None for the best available.
    """

    def __init__(self, host: Explainer, capacity: int = 2, device: str | None = None) -> None:
        self.host, self.device = host, device
        self._others: LRU[str, Explainer] = LRU(capacity)
        # One at a time: memory is bounded, and a network that two visitors choose is loaded once.
        self._loading = threading.Lock()

    def __getitem__(self, key: str) -> Explainer:
        """Return the network of a key that `add` returned.

        Raises:
            WeightsError: it was dropped, and is neither in the cache nor on the Hub any more.
        """
        return self.host if key == HOST else self._others.get(key) or self._load(key)

    def __len__(self) -> int:
        """Return the number of networks in memory, including the host's."""
        return 1 + len(self._others)

    def add(self, source: str, progress: Progress | None = None) -> str:
        """Load and check a network from the Hub; return its key.

        Args:
            source: `user/repo` or `user/repo@revision`; never a path, because visitors choose it.
            progress: called with (bytes done, total) during a download; an exception raised in it cancels.

        Raises:
            WeightsError: not such an id, or weights that are not available or not valid.
        """
        origin = self._load(source, progress).origin
        assert origin is not None  # noqa: S101  it was loaded  # nosec B101
        return f"{origin.source}@{origin.revision}"

    def samples(self, key: str) -> list[Sample]:
        """Return the samples in a network's repository; empty if it has none.

        Raises:
            SamplesError: see `dala.publishing.samples.of`.
        """
        origin = self[key].origin
        return of(origin) if origin else []

    def _load(self, source: str, progress: Progress | None = None) -> Explainer:
        with self._loading:
            if (cached := self._others.get(source)) is not None:
                return cached
            origin = models.load_from_hub(source, progress)
            key = f"{origin.source}@{origin.revision}"
            network = self._others.get(key) or Explainer(origin.model, self.device, origin)
            self._others.put(key, network)
            return network
