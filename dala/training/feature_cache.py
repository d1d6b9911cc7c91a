"""Features of the frozen stages, computed once per picture and view and cached on disk for all folds and epochs."""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from tqdm import tqdm

from dala import files
from dala.data import loading
from dala.data.items import Item
from dala.images.preprocessing import Preprocessing, normalised
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.training.config_parts import FeatureConfig, RuntimeConfig
from dala.training.distributed import SINGLE, Ranks

__all__ = ["POOLED", "FeatureCache", "extract"]

POOLED = ("layer2", "layer3", "layer4")
FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))


@dataclass(frozen=True)
class FeatureCache:
    """Features of n pictures in several views; view 0 is the picture as preprocessed for inference.

    Attributes:
        storage: flat memory map of all maps at the last frozen stage, each (h, w, C).
        places: [picture] -> offset of its first view in `storage`, h, w; all views of a picture have one size.
        channels: C.
        pooled: for each of `POOLED`, means over the map of the initialized network, (n, views, channels) float32.
    """

    storage: Tensor
    places: list[tuple[int, int, int]]
    channels: int
    pooled: dict[str, Tensor]

    def map(self, picture: int, view: int = 0) -> Tensor:
        """(h, w, C) of one picture in one view, a view of `storage`."""
        offset, h, w = self.places[picture]
        size = h * w * self.channels
        return self.storage[offset + view * size : offset + (view + 1) * size].view(h, w, self.channels)


class _Views(Dataset[Tensor]):
    """Each picture as (views, 3, H, W): four flips, then flips with colour jitter."""

    def __init__(self, items: Sequence[Item], preprocessing: Preprocessing, features: FeatureConfig, seed: int) -> None:
        self.items, self.preprocessing, self.features, self.seed = items, preprocessing, features, seed

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Tensor:
        p, j = self.preprocessing, self.features.jitter
        picture = loading.at_scale(self.items[index], p)
        plain = normalised(picture, p)[0]
        views = [plain.flip(FLIPS[v]) for v in range(min(4, self.features.views))]
        jitter = v2.ColorJitter(j, j, j, j / 5)
        for v in range(4, self.features.views):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed * 1_000_003 + index * 64 + v)
                pixels = jitter(v2.functional.pil_to_tensor(picture))
            x = v2.functional.normalize(v2.functional.to_dtype(pixels, scale=True), list(p.mean), list(p.std))
            views.append(x.flip(FLIPS[v % 4]))
        return torch.stack(views)


def extract(
    model: DALAResNet50,
    items: Sequence[Item],
    features: FeatureConfig,
    runtime: RuntimeConfig,
    ranks: Ranks = SINGLE,
) -> FeatureCache:
    """Features of the stages below `features.train_from`, from disk if they were computed before.

    Args:
        model: initialized, on its device; not changed.
        items: the pictures.
        features: size, views, jitter and first trained stage.
        runtime: cache folder, precision, workers and seed.
        ranks: the processes that write one file together, on one machine or a shared disk.

    Raises:
        DataError: a picture that cannot be read.
        DiskError: no room on the disk, or no permission.
    """
    folder = runtime.cache or runtime.out / "features"
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / _key(model, items, features, runtime)
    index, storage = stem.with_suffix(".pt"), stem.with_suffix(".bin")
    if not all(ranks.gather(index.exists())):
        try:
            _compute(model, items, features, runtime, stem, ranks)
        except OSError as error:
            storage.unlink(missing_ok=True)
            raise files.DiskError(files.refused(error, folder)) from error
    about = torch.load(index, weights_only=True)
    flat = torch.from_file(str(storage), shared=False, size=about["size"], dtype=_dtype(runtime))
    return FeatureCache(flat, [tuple(p) for p in about["places"]], about["channels"], about["pooled"])


def _dtype(runtime: RuntimeConfig) -> torch.dtype:
    return torch.bfloat16 if runtime.precision == "bf16" else torch.float32


def _compute(
    model: DALAResNet50,
    items: Sequence[Item],
    features: FeatureConfig,
    runtime: RuntimeConfig,
    stem: Path,
    ranks: Ranks,
) -> None:
    """Write the maps to `stem`.bin, then their index and the pooled features to `stem`.pt."""
    # In training mode batch-norm would update its statistics.
    model.eval()
    places, channels, size = _layout(model, items, features)
    dtype, storage = _dtype(runtime), stem.with_suffix(".bin")
    if ranks.is_first:
        with storage.open("wb") as stream:
            _reserve(stream.fileno(), size * dtype.itemsize)
    ranks.barrier()
    flat = torch.from_file(str(storage), shared=True, size=size, dtype=dtype)
    share = slice(ranks.rank, None, ranks.world_size)
    loader = DataLoader(
        _Views(items[share], model.preprocessing, features, runtime.seed),
        batch_size=None,
        num_workers=runtime.workers or 0,
    )
    below = STAGES[STAGES.index(features.train_from) - 1]
    parts = ranks.gather(_fill(model, loader, below, flat, places[share]))
    pooled = {s: torch.empty(len(items), *parts[0][s].shape[1:]) for s in POOLED}
    for r, part in enumerate(parts):
        for s in POOLED:
            pooled[s][r :: ranks.world_size] = part[s]
    if ranks.is_first:
        packed = io.BytesIO()  # torch.save to a file would wrap the operating system's error
        torch.save({"places": places, "channels": channels, "size": size, "pooled": pooled}, packed)
        files.write(stem.with_suffix(".pt"), packed.getvalue())
    ranks.barrier()


def _layout(
    model: DALAResNet50, items: Sequence[Item], features: FeatureConfig
) -> tuple[list[tuple[int, int, int]], int, int]:
    """Places of all pictures' maps, their channels, and the number of elements of the storage."""
    with torch.inference_mode():
        channels, stride = _geometry(model, STAGES.index(features.train_from))
    places, offset = [], 0
    for item in items:
        width, height = loading.at_scale(item, model.preprocessing).size
        h, w = -(-height // stride), -(-width // stride)
        places.append((offset, h, w))
        offset += features.views * h * w * channels
    return places, channels, offset


@torch.inference_mode()
def _fill(
    model: DALAResNet50,
    loader: "DataLoader[Tensor]",
    below: str,
    flat: Tensor,
    places: list[tuple[int, int, int]],
) -> dict[str, Tensor]:
    """Copy the maps after stage `below` to `flat`; the pooled features of the loader's pictures."""
    device = next(model.parameters()).device
    rows: dict[str, list[Tensor]] = {s: [] for s in POOLED}
    bar = tqdm(loader, "frozen stages", total=len(places), unit="image", disable=None)
    for x, (offset, h, w) in zip(bar, places, strict=True):
        x = x.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=flat.dtype == torch.bfloat16):
            for stage in STAGES[:-1]:
                x = getattr(model, stage)(x)
                if stage == below:
                    kept = x.permute(0, 2, 3, 1)
                    flat[offset : offset + kept.numel()].view(len(x), h, w, -1).copy_(kept)
                if stage in POOLED:
                    rows[stage].append(x.float().mean((2, 3)).cpu())
    return {s: torch.stack(r) for s, r in rows.items()}


def _key(model: DALAResNet50, items: Sequence[Item], features: FeatureConfig, runtime: RuntimeConfig) -> str:
    """Hash of everything that the features depend on."""
    f = features
    settings = {"train_from": f.train_from, "views": f.views, "jitter": f.jitter, "precision": runtime.precision}
    settings |= {"seed": runtime.seed, "height": f.height, "width": f.width}
    digest = hashlib.sha256(json.dumps(settings).encode())
    for item in items:
        digest.update(f"{item.path.name} {item.path.stat().st_size} {item.zoom or ''}\n".encode())
    for name, value in model.state_dict().items():
        if not name.startswith(("attention.", "head.")):
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _geometry(model: DALAResNet50, below: int) -> tuple[int, int]:
    """Channels and stride of the map after the first `below` stages."""
    x = torch.zeros(1, 3, 64, 64, device=next(model.parameters()).device)
    for stage in STAGES[:below]:
        x = getattr(model, stage)(x)
    return x.shape[1], 64 // x.shape[2]


def _reserve(descriptor: int, size: int) -> None:
    # With a sparse file, a full disk would end the process with a bus error.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
