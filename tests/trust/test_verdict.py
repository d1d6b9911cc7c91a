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
def found(small, explained) -> Checked:
    seen: list[tuple[int, int]] = []
    result = verdict.check(small, explained, progress=lambda *p: seen.append(p))
    assert seen[0] == (0, 100)
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    return result


def test_every_check_is_made_of_the_map_asked_about(found):
    assert list(found.curves.curves) == ["grad_cam", "random", "centre_gaussian"]
    assert found.sanity.method == found.method == "grad_cam"
    assert len(found.stability) == 13
    told = json.loads(json.dumps(verdict.to_json(found)))
    assert told["curves"]["random"]["insertion"] == found.curves.insertion("random")
    assert set(told["changes"]) == set(found.stability)


def _with_margins(found: Checked, own: float, blind: float) -> Checked:
    def flat(value: float) -> Curve:
        nought = (0.0,) * 9
        return Curve(nought, nought, nought, nought, (value,) * 9, nought)

    curves = {"grad_cam": flat(own), "random": flat(blind), "centre_gaussian": flat(0.0)}
    return replace(found, curves=replace(found.curves, curves=curves))


@pytest.mark.parametrize(("own", "blind", "speaks"), [(3, 1, True), (1, 3, False), (3, 2.99, None)])
def test_a_map_is_needed_where_it_is_ahead_of_both_blind_ones(found, own, blind, speaks):
    reason = verdict.verdict(_with_margins(found, own, blind)).reasons[0]
    assert reason.speaks_for is speaks
    assert "random map" in reason.words


def test_the_verdict_counts_what_speaks_against(found):
    survivor = replace(
        found.sanity, steps=(*found.sanity.steps[:-1], replace(found.sanity.steps[-1], correlation=0.99))
    )
    gone = {name: replace(s, correlation=0.1) for name, s in found.stability.items()}
    worst = _with_margins(replace(found, sanity=survivor, stability=gone), 1, 3)
    assert verdict.verdict(worst).sentence.startswith("All three checks speak against")
    assert "do not rely on it" in verdict.verdict(worst).sentence
    steady = {name: replace(s, correlation=0.9) for name, s in found.stability.items()}
    one = _with_margins(replace(found, sanity=survivor, stability=steady), 3, 1)
    assert verdict.verdict(one).sentence.startswith("One of three checks speaks against")
    fine = Sanity("grad_cam", tuple(replace(s, correlation=0.0) for s in found.sanity.steps), 0.3)
    best = _with_margins(replace(found, sanity=fine, stability=steady), 3, 1)
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


def test_the_command_prints_a_verdict_with_three_reasons(small_folder, patch_file, tmp_path, capsys):
    file = tmp_path / "told.json"
    assert main(["trust", str(patch_file), "--model", str(small_folder), "--json", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(line[2] in "+-?" for line in lines[1:])
    assert json.loads(file.read_text())["verdict"] == lines[0]
    assert main(["trust", "nothing.png", "--model", str(small_folder)]) == 2
    assert main(["trust", str(patch_file), "--model", str(small_folder), "--json", str(tmp_path)]) == 2
