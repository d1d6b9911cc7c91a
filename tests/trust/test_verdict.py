"""All checks of one map, the verdict, and the page that tells it."""

import json
from dataclasses import replace

import pytest

from dala import DALAResNet50, Explainer
from dala.cli import main
from dala.lessons import trust_page
from dala.trust import verdict
from dala.trust.deletion import Curve
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


def test_every_check_is_of_the_requested_map(checked):
    assert list(checked.curves.curves) == ["grad_cam", "random", "centre_gaussian"]
    assert checked.sanity.method == checked.method == "grad_cam"
    assert len(checked.stability) == 13
    numbers = json.loads(json.dumps(verdict.to_json(checked)))
    assert numbers["curves"]["random"]["insertion"] == checked.curves.insertion("random")
    assert set(numbers["changes"]) == set(checked.stability)


def _with_margins(checked: Checked, own: float, blind: float) -> Checked:
    def flat(value: float) -> Curve:
        nought = (0.0,) * 9
        return Curve(nought, nought, nought, nought, (value,) * 9, nought)

    curves = {"grad_cam": flat(own), "random": flat(blind), "centre_gaussian": flat(0.0)}
    return replace(checked, curves=replace(checked.curves, curves=curves))


@pytest.mark.parametrize(("own", "blind", "speaks"), [(3, 1, True), (1, 3, False), (3, 2.99, None)])
def test_a_map_is_needed_where_it_is_ahead_of_both_blind_ones(checked, own, blind, speaks):
    reason = verdict.verdict(_with_margins(checked, own, blind)).reasons[0]
    assert reason.speaks_for is speaks
    assert "random map" in reason.words


def test_the_verdict_counts_what_speaks_against(checked):
    survivor = replace(
        checked.sanity, steps=(*checked.sanity.steps[:-1], replace(checked.sanity.steps[-1], correlation=0.99))
    )
    gone = {name: replace(s, correlation=0.1) for name, s in checked.stability.items()}
    worst = _with_margins(replace(checked, sanity=survivor, stability=gone), 1, 3)
    assert verdict.verdict(worst).sentence.startswith("All three checks speak against")
    assert "do not rely on it" in verdict.verdict(worst).sentence
    steady = {name: replace(s, correlation=0.9) for name, s in checked.stability.items()}
    one = _with_margins(replace(checked, sanity=survivor, stability=steady), 3, 1)
    assert verdict.verdict(one).sentence.startswith("One of three checks speaks against")
    fine = Sanity("grad_cam", tuple(replace(s, correlation=0.0) for s in checked.sanity.steps), 0.3)
    best = _with_margins(replace(checked, sanity=fine, stability=steady), 3, 1)
    assert "That does not make it right" in verdict.verdict(best).sentence


def test_the_page_tells_everything_and_escapes_names(patch, small):
    model = DALAResNet50(["one", "<b>two"], small.preprocessing)
    model.load_state_dict(small.model.state_dict())
    odd = Explainer(model.eval(), "cpu")
    e = odd.explain(patch, "<b>two")
    page = trust_page.page(verdict.check(odd, e), e)
    assert "<b>two" not in page
    assert "&lt;b&gt;two" in page
    assert page.count("<img") == 8 + 14
    assert page.count("<polyline") == 6
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
