"""All checks of one map, the verdict, and the page that tells it."""

import json
from dataclasses import replace

import pytest
import torch

from dala import DALAResNet50, Explainer
from dala.cli import main
from dala.lessons import trust_page
from dala.trust import blind, deletion, verdict
from dala.trust.blind import Ranked, Shown
from dala.trust.randomization import Sanity
from dala.trust.verdict import Checked


@pytest.fixture(scope="module")
def explained(small, patch):
    return small.explain(patch, "malignant")


@pytest.fixture(scope="module")
def checked(small, explained) -> Checked:
    seen: list[tuple[int, int]] = []
    result = verdict.check(small, explained, progress=lambda *p: seen.append(p))
    assert seen[0] == (0, 100)
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    return result


def test_every_check_is_of_the_requested_map(checked, explained):
    assert list(checked.curves.curves) == ["grad_cam"]
    assert len(checked.ranked.random) == 20
    # The map's own pair of pictures is a point of its curves, but for the area.
    assert checked.ranked.whole_margin == deletion.output(explained, "margin")
    assert checked.sanity.method == checked.method == "grad_cam"
    assert len(checked.stability) == 13
    numbers = json.loads(json.dumps(verdict.to_json(checked)))
    assert numbers["curves"]["grad_cam"]["insertion"] == checked.curves.insertion()
    assert numbers["random_maps"]["better_than"] == checked.ranked.better
    assert set(numbers["changes"]) == set(checked.stability)


def _ranked(better: int, remove: float, whole: float = 2.0, sign: int = 1) -> Ranked:
    """A map that is better than some of twenty random maps, and the margin with its region hidden."""
    own = Shown(0.9, 0.5, remove + 1, remove)
    random = tuple(Shown(0.5, 0.5, (0.0 if i < better else 2.0) * sign, 0.0) for i in range(20))
    return Ranked(0.12, 0.88, whole, own, random, sign)


@pytest.mark.parametrize(
    ("better", "remove", "speaks", "words"),
    [
        (20, -1.0, True, "better than 20 of 20 random maps"),
        (19, -1.0, True, "lowers the network's output"),
        (18, -1.0, None, "This tells little"),
        (10, -1.0, None, "better than 10 of 20"),
        (1, -1.0, False, "does not need what this map shows"),
        # Hiding raises the output: never a tick, and said.
        (20, 3.0, None, "raises the network's output for malignant (probability from 0.880 to 0.500"),
        (19, 3.0, None, "which contradicts the map"),
        (9, 3.0, False, "which contradicts the map"),
        (20, 2.0, None, "hardly changes"),
    ],
)
def test_a_map_is_needed_if_it_beats_random_maps_and_hiding_it_lowers_the_output(
    checked, better, remove, speaks, words
):
    reason = verdict.verdict(replace(checked, ranked=_ranked(better, remove))).reasons[0]
    assert reason.speaks_for is speaks
    assert words in reason.words


def test_a_map_of_the_evidence_against_a_class_is_needed_if_hiding_it_raises_the_output(checked):
    ranked = replace(_ranked(0, 3.0, sign=-1), own=Shown(0.1, 0.9, -3.0, 3.0))
    assert ranked.better == 20
    assert ranked.needed > 0
    reason = verdict.verdict(replace(checked, ranked=ranked)).reasons[0]
    assert reason.speaks_for is True
    assert "raises" in reason.words
    assert "contradicts" not in reason.words


def test_random_maps_are_as_smooth_as_the_map_and_unrelated(explained):
    signed = explained.signed["grad_cam"]
    maps = blind.random_maps(signed)
    spectra = torch.fft.rfft2(torch.cat([signed[None], maps])).abs()
    # A real map has real values at the frequencies that are their own mirror image; all others agree.
    assert ((spectra[1:] - spectra[:1]).abs() < 1e-3 * spectra.max()).float().mean() > 0.99
    assert len({float(m.sum()) for m in maps.abs()}) == 20
    both = torch.corrcoef(torch.cat([signed[None], maps]).flatten(1))
    assert both[0, 1:].abs().mean() < 0.5
    assert torch.equal(maps, blind.random_maps(signed))


def test_the_verdict_counts_what_speaks_against(checked):
    survivor = replace(
        checked.sanity, steps=(*checked.sanity.steps[:-1], replace(checked.sanity.steps[-1], correlation=0.99))
    )
    gone = {name: replace(s, correlation=0.1) for name, s in checked.stability.items()}
    worst = replace(checked, sanity=survivor, stability=gone, ranked=_ranked(0, 3.0))
    assert verdict.verdict(worst).sentence.startswith("All three checks speak against")
    assert "do not rely on it" in verdict.verdict(worst).sentence
    steady = {name: replace(s, correlation=0.9) for name, s in checked.stability.items()}
    one = replace(checked, sanity=survivor, stability=steady, ranked=_ranked(20, -1.0))
    assert verdict.verdict(one).sentence.startswith("One of three checks speaks against")
    fine = Sanity("grad_cam", tuple(replace(s, correlation=0.0) for s in checked.sanity.steps), 0.3)
    best = replace(checked, sanity=fine, stability=steady, ranked=_ranked(20, -1.0))
    assert "That does not make it right" in verdict.verdict(best).sentence
    unclear = replace(best, ranked=_ranked(17, -1.0))
    assert "tell little" in verdict.verdict(unclear).sentence


def test_the_page_tells_everything_and_escapes_names(patch, small):
    model = DALAResNet50(["one", "<b>two"], small.preprocessing)
    model.load_state_dict(small.model.state_dict())
    odd = Explainer(model.eval(), "cpu")
    e = odd.explain(patch, "<b>two")
    page = trust_page.page(verdict.check(odd, e), e)
    assert "<b>two" not in page
    assert "&lt;b&gt;two" in page
    assert page.count("<img") == 8 + 14
    assert page.count("<polyline") == 2
    assert page.count("<circle") == 2 * 20 + 1
    assert page.count("<section") == 3


@pytest.mark.slow
def test_the_command_prints_a_verdict_with_three_reasons(small_folder, patch_file, tmp_path, capsys):
    file = tmp_path / "checks.json"
    assert main(["trust", str(patch_file), "--model", str(small_folder), "--json", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(line[2] in "+-?" for line in lines[1:])
    assert json.loads(file.read_text())["verdict"] == lines[0]
    assert main(["trust", "nothing.png", "--model", str(small_folder)]) == 2
    assert main(["trust", str(patch_file), "--model", str(small_folder), "--json", str(tmp_path)]) == 2
