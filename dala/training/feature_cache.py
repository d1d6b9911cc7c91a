"""Features of the frozen stages, computed once per picture and view and cached on disk for all folds and epochs."""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from tqdm import tqdm

from dala import files
from dala.data import loading
from dala.data.items import Item
from dala.images.preprocessing import Preprocessing, normalised
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.training.augmentation import Augmentation
from dala.training.config_parts import FeatureConfig, RuntimeConfig
from dala.training.distributed import SINGLE, Ranks
from dala.training.frozen_features import POOLED, FeatureCache, join
from dala.training.photometric import OPERATIONS
from dala.training.places import Places, sample

__all__ = ["FLIPS", "extract"]

FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))


class _Views(Dataset[list[Tensor]]):
    """Each picture's flips, up to four as one tensor (flips, 3, H, W), then augmented views, each (1, 3, h, w)."""

    def __init__(self, items: Sequence[Item], preprocessing: Preprocessing, features: FeatureConfig, seed: int) -> None:
        self.items, self.preprocessing, self.seed = items, preprocessing, seed
        self.views, self.augmentation = features.views, Augmentation(features, preprocessing)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> list[Tensor]:
        picture = loading.at_scale(self.items[index], self.preprocessing)
        plain = normalised(picture, self.preprocessing)[0]
        flips = torch.stack([plain.flip(f) for f in FLIPS[: self.views]])
        pixels = v2.functional.pil_to_tensor(picture)
        return [flips, *(self.augmentation.view(pixels, seed) for seed in self._seeds(index))]

    def sizes(self, index: int) -> list[tuple[int, int]]:
        """Height and width of every view."""
        width, height = loading.at_scale(self.items[index], self.preprocessing).size
        augmented = [self.augmentation.view_size((height, width), seed) for seed in self._seeds(index)]
        return [(height, width)] * min(len(FLIPS), self.views) + augmented

    def _seeds(self, index: int) -> list[int]:
        """Of the augmented views: of the picture, in whichever set or process it is."""
        name = self.items[index].path.name
        return [_seed(f"{self.seed} {name} {view}") for view in range(len(FLIPS), self.views)]


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


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
        features: size, views, strengths of the augmentation and first trained stage.
        runtime: cache folder, precision, workers and seed.
        ranks: the processes that write one file together, on one machine or a shared disk.

    Raises:
        DataError: a picture that cannot be read.
        DiskError: no room on the disk, or no permission.
    """
    (runtime.cache or runtime.out / "features").mkdir(parents=True, exist_ok=True)
    sets: dict[str, list[int]] = {}
    for k, item in enumerate(items):
        sets.setdefault(item.source, []).append(k)
    parts = [_extract_set(model, [items[k] for k in rows], features, runtime, ranks) for rows in sets.values()]
    return join(parts, list(sets.values()))


def _extract_set(
    model: DALAResNet50, items: Sequence[Item], features: FeatureConfig, runtime: RuntimeConfig, ranks: Ranks
) -> FeatureCache:
    """Features of one set, in a file of its own: runs of other sets need not compute them again."""
    folder = runtime.cache or runtime.out / "features"
    stem = folder / _key(model, items, features, runtime)
    index, storage = stem.with_suffix(".pt"), stem.with_suffix(".bin")
    if not all(ranks.gather(index.exists())):
        try:
            with _alone(stem, ranks):
                if not all(ranks.gather(index.exists())):
                    _compute(model, items, features, runtime, stem, ranks)
        except OSError as error:
            storage.unlink(missing_ok=True)
            raise files.DiskError(files.refused(error, folder)) from error
    about = torch.load(index, weights_only=True)
    flat = torch.from_file(str(storage), shared=False, size=about["size"], dtype=_dtype(runtime))
    sampled = Places(about["evidence"], about["nuclei"])
    return FeatureCache((flat,), [0] * len(items), about["places"], about["channels"], about["pooled"], sampled)


@contextmanager
def _alone(stem: Path, ranks: Ranks) -> Iterator[None]:
    """Wait until no other run computes these features. The end of a process, however it comes, ends its turn."""
    lock = FileLock(stem.with_suffix(".lock"))
    if ranks.is_first:
        lock.acquire()
    ranks.barrier()
    try:
        yield
    finally:
        lock.release(force=True)


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
    everything = _Views(items, model.preprocessing, features, runtime.seed)
    places, channels, size = _layout(model, everything, features.train_from)
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
    rows = {s: v.new_empty(len(items), *v.shape[1:]) for s, v in parts[0].items()}
    for r, part in enumerate(parts):
        for s, v in part.items():
            rows[s][r :: ranks.world_size] = v
    if ranks.is_first:
        packed = io.BytesIO()  # torch.save to a file would wrap the operating system's error
        about = {"places": places, "channels": channels, "size": size, "pooled": {s: rows.pop(s) for s in POOLED}}
        torch.save({**about, **rows}, packed)
        files.write(stem.with_suffix(".pt"), packed.getvalue())
    ranks.barrier()


def _layout(model: DALAResNet50, views: _Views, train_from: str) -> tuple[list[list[tuple[int, int, int]]], int, int]:
    """Places of the maps of all pictures' views, their channels, and the number of elements of the storage."""
    with torch.inference_mode():
        channels, stride = _geometry(model, STAGES.index(train_from))
    places, offset = [], 0
    for index in range(len(views)):
        places.append(list[tuple[int, int, int]]())
        for height, width in views.sizes(index):
            h, w = -(-height // stride), -(-width // stride)
            places[-1].append((offset, h, w))
            offset += h * w * channels
    return places, channels, offset


@torch.inference_mode()
def _fill(
    model: DALAResNet50,
    loader: "DataLoader[list[Tensor]]",
    below: str,
    flat: Tensor,
    places: list[list[tuple[int, int, int]]],
) -> dict[str, Tensor]:
    """Copy the maps after stage `below` to `flat`; pooled features and sampled places of the loader's pictures."""
    device = next(model.parameters()).device
    rows: dict[str, list[Tensor]] = {s: [] for s in POOLED}
    sampled: list[tuple[Tensor, Tensor]] = []
    bar = tqdm(loader, "frozen stages", total=len(places), unit="image", disable=None)
    for groups, views in zip(bar, places, strict=True):
        for k, pixels in enumerate(groups):
            # Views of one size are one batch, and lie one behind the other.
            (offset, h, w), views = views[0], views[len(pixels) :]
            x = pixels.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=flat.dtype == torch.bfloat16):
                for stage in STAGES[:-1]:
                    x = getattr(model, stage)(x)
                    if stage == below:
                        kept = x.permute(0, 2, 3, 1)
                        flat[offset : offset + kept.numel()].view(len(x), h, w, -1).copy_(kept)
                    if stage in POOLED:
                        rows[stage].append(x.float().mean((2, 3)).cpu())
            if not k:
                sampled.append(sample(x[0], pixels[0], model.preprocessing))
    evidence, nuclei = (torch.stack(part) for part in zip(*sampled, strict=True))
    pooled = {s: torch.cat(r).view(len(places), -1, r[0].shape[1]) for s, r in rows.items()}
    return {**pooled, "evidence": evidence, "nuclei": nuclei}


def _key(model: DALAResNet50, items: Sequence[Item], features: FeatureConfig, runtime: RuntimeConfig) -> str:
    """Hash of everything that the features depend on."""
    f = features
    settings = {"train_from": f.train_from, "views": f.views, "precision": runtime.precision}
    settings |= {"preprocessing": model.preprocessing.to_json()}
    if f.views > len(FLIPS):
        strengths = {name: getattr(f, name) for name in ("scale", "degrade", *OPERATIONS)}
        settings |= {"seed": runtime.seed, "strengths": strengths}
    digest = hashlib.sha256(json.dumps(settings).encode())
    for item in items:
        digest.update(f"{item.path.name} {item.path.stat().st_size} {item.zoom or ''}{item.shift}\n".encode())
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
