import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from dala.explain import export
from dala.heatmaps.similarity import AgreementError, overlap, rank_correlation

# Few different values: most of the ranks are ties.
TIED = arrays(np.float32, (3, 6, 8), elements=st.integers(0, 4).map(float))


@given(TIED)
@settings(max_examples=50, deadline=None)
def test_rank_correlation_equals_scipy(values):
    result = rank_correlation(torch.from_numpy(values))
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            flat = np.ptp(a) == 0 or np.ptp(b) == 0
            expected = np.nan if flat else spearmanr(a.ravel(), b.ravel()).statistic
            assert result[i, j].item() == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_rank_correlation_depends_on_order_alone(heat):
    result = rank_correlation(torch.stack([heat, 3 * heat, heat.exp(), -heat]))
    expected = torch.tensor([1.0, 1, 1, -1], dtype=torch.float64)
    torch.testing.assert_close(result, expected[:, None] * expected)


# 10 pixels, so that a share of 0.3 is three of them.
A = [9, 8, 7, 1, 1, 1, 1, 1, 1, 1]  # 0 1 2
B = [1, 8, 9, 7, 1, 1, 1, 1, 1, 1]  # 1 2 3: two in common of four
C = [1, 1, 1, 1, 1, 1, 1, 7, 8, 9]  # 7 8 9
TIES = [5, 5, 5, 5, 1, 1, 1, 1, 1, 1]  # the first three of four equal ones: 0 1 2
FAINT = [0, 0, 3, 0, 0, 0, 0, 0, 0, 0]  # marks one pixel: compared with the strongest one of the others
EMPTY = [0] * 10


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(A, A, 1), (A, B, 2 / 4), (A, C, 0), (A, TIES, 1), (B, TIES, 2 / 4), (B, FAINT, 1), (A, FAINT, 0)],
)
def test_overlap_of_hand_worked_cases(first, second, expected):
    result = overlap(torch.tensor([first, second], dtype=torch.float32).view(2, 2, 5), 0.3)
    assert result[0, 1] == result[1, 0] == pytest.approx(expected)
    assert result[0, 0] == result[1, 1] == 1


def test_an_empty_map_agrees_with_none():
    result = overlap(torch.tensor([A, EMPTY], dtype=torch.float32).view(2, 2, 5), 0.3)
    assert result[0, 0] == 1
    assert result[[0, 1, 1], [1, 0, 1]].isnan().all()


def test_the_area_is_exact(heat):
    # Maps of one order overlap whole, and the areas of a map and its mirror are equal at any share.
    for share in (1e-9, 0.1, 0.237, 1):
        result = overlap(torch.stack([heat + 1, (heat + 1) ** 2, 10 - heat]), share)
        assert result[0, 1] == 1
        pixels = heat.numel()
        area = max(1, round(share * pixels))
        order, mirrored = (
            set(v.flatten().argsort(descending=True, stable=True)[:area].tolist()) for v in (heat, -heat)
        )
        assert result[0, 2] == pytest.approx(len(order & mirrored) / len(order | mirrored))


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_an_invalid_share_is_refused(heat, share):
    with pytest.raises(AgreementError, match="above 0 and at most 1"):
        overlap(heat[None], share)


def test_the_agreement_of_an_explanations_maps(small, patch):
    names = ("grad_cam", "hires_cam", "random")
    agreement = export.agreement_values(small.explain(patch, methods=names), 0.1)
    # At the last layer the first two are one map, rounded differently.
    assert agreement["rank_correlation"]["grad_cam"]["hires_cam"] > 0.999
    assert agreement["overlap"]["grad_cam"]["hires_cam"] > 0.95
    assert abs(agreement["rank_correlation"]["grad_cam"]["random"]) < 0.9
    assert agreement["marked_area"]["random"] == pytest.approx(1, abs=0.1)


def test_an_empty_map_has_no_value(small, patch):
    # A function of the logits that depends on none: its gradient, and so its map, is zero.
    e = small.explain(patch, lambda logits: 0 * logits.sum(1), methods=("grad_cam", "random"))
    agreement = export.agreement_values(e)
    for values in (agreement["rank_correlation"], agreement["overlap"]):
        assert values == {"grad_cam": {"grad_cam": None, "random": None}, "random": {"grad_cam": None, "random": 1}}
    assert agreement["marked_area"]["grad_cam"] == 0
