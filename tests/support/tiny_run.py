"""A training run on generated patches, small enough for seconds."""

from pathlib import Path

from dala.models import pretrained, serialization
from dala.phantoms import dataset
from dala.training.config import Settings

SHIPPED = str(pretrained.SHIPPED / serialization.FILE)


def tiny_settings(folder: Path) -> Settings:
    """Settings of a run in `folder`/run on 24 patches of 128x96 px, which are drawn in `folder`/phantoms."""
    dataset.make_folder(folder / "phantoms", dataset.Recipe(24, size=(128, 96)))
    return Settings.from_options(
        data=folder / "phantoms", format="folder", init=SHIPPED, out=folder / "run", split="holdout",
        height=96, width=128, crop=64, probe_epochs=3, epochs=3, batch=6, lr=1e-4, head_lr=1e-3, stain=0.05,
        precision="fp32", workers=0, device="cpu", ema=0.5, score_every=1, tensorboard=True,
    )  # fmt: skip


def training(tree: Path | str, out: Path | str, *more: object) -> list:
    """Arguments of the command that trains on a folder of pictures in seconds."""
    return [
        "train", "--data", tree, "--format", "folder", "--init", SHIPPED, "--out", out,
        "--split", "holdout", "--height", "96", "--width", "128", "--crop", "64", "--views", "1", "--batch", "2",
        "--probe-epochs", "1", "--epochs", "1", "--precision", "fp32", "--device", "cpu", *more,
    ]  # fmt: skip
