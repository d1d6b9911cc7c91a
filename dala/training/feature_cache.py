"""What the frozen stages see of every picture, computed once and kept on disk: no fold, epoch or network repeats it."""

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
from dala.training.config import Settings
from dala.training.distributed import ALONE, Ranks

__all__ = ["POOLED", "Frozen", "extract"]

POOLED = ("layer2", "layer3", "layer4")
FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))


@dataclass(frozen=True)
class Frozen:
    """Features of n pictures in several views each; view 0 is the picture as the app sees it.

    Attributes:
        storage: flat memory map of all maps at the last frozen stage, each (h, w, C).
        places: [picture][view] -> offset into it, h, w; every view of a picture has one size.
        channels: C.
        pooled: for each of `POOLED`, means over the map of the untrained network, (n, views, channels) float32.
    """

    storage: Tensor
    places: list[tuple[int, int, int]]
    channels: int
    pooled: dict[str, Tensor]

    def map(self, picture: int, view: int = 0) -> Tensor:
        """(h, w, C) of one picture in one view, not copied."""
        offset, h, w = self.places[picture]
        size = h * w * self.channels
        return self.storage[offset + view * size : offset + (view + 1) * size].view(h, w, self.channels)


class _Views(Dataset[Tensor]):
    def __init__(self, items: Sequence[Item], preprocessing: Preprocessing, settings: Settings) -> None:
        self.items, self.preprocessing, self.settings = items, preprocessing, settings

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Tensor:
        picture = loading.at_scale(self.items[index], self.preprocessing)
        plain, j = normalised(picture, self.preprocessing)[0], self.settings.jitter
        views = [plain.flip(FLIPS[v]) for v in range(min(4, self.settings.views))]
        stain = v2.ColorJitter(j, j, j, j / 5)
        p = self.preprocessing
        for v in range(4, self.settings.views):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.settings.seed * 1_000_003 + index * 64 + v)
                pixels = stain(v2.functional.pil_to_tensor(picture))
            x = v2.functional.normalize(v2.functional.to_dtype(pixels, scale=True), list(p.mean), list(p.std))
            views.append(x.flip(FLIPS[v % 4]))
        return torch.stack(views)


def extract(model: DALAResNet50, items: Sequence[Item], settings: Settings, ranks: Ranks = ALONE) -> Frozen:
    """Features of the stages below `settings.train_from`, from the cache where it holds them.

    Args:
        model: with the start's weights, on its device; not changed.
        items: the pictures.
        settings: views, jitter, precision, workers and cache of them.
        ranks: the processes that write one file together, on one machine or a disk that they share.

    Raises:
        DataError: a picture that cannot be read.
        DiskError: no room on the disk, or no permission.
    """
    cache = settings.cache or settings.out / "features"
    cache.mkdir(parents=True, exist_ok=True)
    stem = cache / _key(model, items, settings)
    about, storage = stem.with_suffix(".pt"), stem.with_suffix(".bin")
    if not all(ranks.gather(about.exists())):
        try:
            _compute(model, items, settings, stem, ranks)
        except OSError as error:
            storage.unlink(missing_ok=True)
            raise files.DiskError(files.refused(error, cache)) from error
    told = torch.load(about, weights_only=True)
    dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
    flat = torch.from_file(str(storage), shared=False, size=told["size"], dtype=dtype)
    return Frozen(flat, [tuple(p) for p in told["places"]], told["channels"], told["pooled"])


def _compute(model: DALAResNet50, items: Sequence[Item], settings: Settings, stem: Path, ranks: Ranks) -> None:
    below = STAGES.index(settings.train_from)
    # In training mode batch-norm would take the statistics of whatever passes.
    model.eval()
    with torch.inference_mode():
        channels, stride = _geometry(model, below)
    places, offset = [], 0
    for item in items:
        width, height = loading.at_scale(item, model.preprocessing).size
        h, w = -(-height // stride), -(-width // stride)
        places.append((offset, h, w))
        offset += settings.views * h * w * channels
    dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
    storage = stem.with_suffix(".bin")
    if ranks.rank == 0:
        with storage.open("wb") as stream:
            _reserve(stream.fileno(), offset * dtype.itemsize)
    ranks.wait()
    flat = torch.from_file(str(storage), shared=True, size=offset, dtype=dtype)
    share = slice(ranks.rank, None, ranks.world)
    parts = ranks.gather(_fill(model, items[share], settings, flat, places[share]))
    pooled = {s: torch.empty(len(items), *parts[0][s].shape[1:]) for s in POOLED}
    for r, part in enumerate(parts):
        for s in POOLED:
            pooled[s][r :: ranks.world] = part[s]
    if ranks.rank == 0:
        packed = io.BytesIO()  # to a file torch would wrap what the disk says into an error of its own
        torch.save({"places": places, "channels": channels, "size": offset, "pooled": pooled}, packed)
        files.write(stem.with_suffix(".pt"), packed.getvalue())
    ranks.wait()


@torch.inference_mode()
def _fill(
    model: DALAResNet50, items: Sequence[Item], settings: Settings, flat: Tensor, places: list[tuple[int, int, int]]
) -> dict[str, Tensor]:
    device = next(model.parameters()).device
    model.eval()
    below = STAGES[STAGES.index(settings.train_from) - 1]
    rows: dict[str, list[Tensor]] = {s: [] for s in POOLED}
    loader = DataLoader(
        _Views(items, model.preprocessing, settings), batch_size=None, num_workers=settings.workers or 0
    )
    bar = tqdm(loader, "frozen stages", total=len(items), unit="image", disable=None)
    for x, (offset, h, w) in zip(bar, places, strict=True):
        x = x.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            for stage in STAGES[:-1]:
                x = getattr(model, stage)(x)
                if stage == below:
                    kept = x.permute(0, 2, 3, 1)
                    flat[offset : offset + kept.numel()].view(len(x), h, w, -1).copy_(kept)
                if stage in POOLED:
                    rows[stage].append(x.float().mean((2, 3)).cpu())
    return {s: torch.stack(r) for s, r in rows.items()}


def _key(model: DALAResNet50, items: Sequence[Item], settings: Settings) -> str:
    told = {k: getattr(settings, k) for k in ("train_from", "views", "jitter", "precision", "seed", "height", "width")}
    digest = hashlib.sha256(json.dumps(told).encode())
    for item in items:
        digest.update(f"{item.path.name} {item.path.stat().st_size}\n".encode())
    for name, value in model.state_dict().items():
        if not name.startswith(("attention.", "head.")):
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _geometry(model: DALAResNet50, below: int) -> tuple[int, int]:
    x = torch.zeros(1, 3, 64, 64, device=next(model.parameters()).device)
    for stage in STAGES[:below]:
        x = getattr(model, stage)(x)
    return x.shape[1], 64 // x.shape[2]


def _reserve(descriptor: int, size: int) -> None:
    # A sparse file would end the process with a bus error where the disk is full.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
