"""Crops, scale and orientation."""

import math

import pytest
import torch

from dala.training import geometry

PICTURE = torch.arange(3 * 40 * 60).view(3, 40, 60).remainder(251).to(torch.uint8)


def test_the_eight_orientations_move_pixels_and_change_none():
    x = torch.arange(48).view(3, 4, 4)
    draws = [torch.tensor([flip, turn]) for flip in (0.1, 0.9) for turn in (0.0, 0.3, 0.6, 0.999)]
    seen = {tuple(geometry.oriented(x, u).flatten().tolist()) for u in draws}
    assert len(seen) == 8
    assert all(sorted(s) == x.flatten().tolist() for s in seen)


def test_a_zoom_is_log_uniform_in_its_range():
    assert [geometry.zoom(torch.tensor(u), 0.3) for u in (0.0, 1.0)] == pytest.approx([0.7, 1.3])
    assert geometry.zoom(torch.tensor(0.5), 0.3) == pytest.approx(math.sqrt(0.7 * 1.3))
    assert geometry.zoom(torch.tensor(0.7), 0.0) == 1


def test_windows_without_zoom_are_every_crop_and_no_other():
    numbers = torch.cartesian_prod(torch.tensor([0.5]), torch.arange(9) / 9 + 0.01, torch.arange(29) / 29 + 0.01)
    windows = {geometry.window(PICTURE, u, 0.0, 32).numpy().tobytes() for u in numbers}
    every = PICTURE.unfold(1, 32, 1).unfold(2, 32, 1)
    crops = {every[:, i, j].contiguous().numpy().tobytes() for i in range(9) for j in range(29)}
    assert windows == crops


@pytest.mark.parametrize("side", [32, 48, 100])
def test_a_window_shows_the_picture_at_its_zoom(side):
    """The slope of a ramp is divided by the zoom, also where the picture is mirrored."""
    ramp = (torch.arange(60) * 4).to(torch.uint8).expand(3, 40, 60)
    for u in (0.0, 1.0):
        square = geometry.window(ramp, torch.tensor([u, 0.0, 0.0]), 0.3, side).float()
        assert square.shape == (3, side, side)
        slopes = square.diff(dim=2).abs().flatten().median()
        assert slopes == pytest.approx(4 / (0.7 if u == 0 else 1.3), abs=1)


def test_a_small_picture_is_mirrored():
    small = torch.tensor([[1, 2, 3]]).expand(3, 3, 3).to(torch.uint8)
    starts = [geometry.window(small, torch.tensor([0.5, 0.0, u]), 0.0, 9)[0, 0].tolist() for u in (0.0, 0.999)]
    assert starts == [[1, 2, 3, 3, 2, 1, 1, 2, 3], [1, 2, 3, 3, 2, 1, 1, 2, 3]]
    assert geometry.window(small, torch.tensor([0.5, 0.0, 0.2]), 0.0, 9)[0, 0].tolist() == [2, 3, 3, 2, 1, 1, 2, 3, 3]
