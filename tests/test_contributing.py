"""CONTRIBUTING's examples, followed: a method and a rule added as it says appear everywhere without further steps."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from torch import Tensor

import app
from dala import cam, cli
from dala.benchmark import conclusions
from dala.heatmaps import thresholds
from dala.lessons import glossary

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^ *```python\n(.*?)^ *```$", TEXT, re.MULTILINE | re.DOTALL)
METHOD, FUNCTION, RULE = map(dedent, BLOCKS)


@pytest.fixture(scope="module", autouse=True)
def added():
    """The example method and the example rule, registered."""
    names = {"method": cam.method, "Tensor": Tensor, "Sequence": Sequence, "Head": cam.Head, "Rule": thresholds.Rule}
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(cam.METHODS, "mean_cam", None)  # removed again after these tests
        exec(METHOD + FUNCTION, names)
        for name, rule in eval(f"{{{RULE}}}", names).items():
            patched.setitem(thresholds.RULES, name, rule)
        yield


def test_the_command_line_writes_their_files(small_folder, patch_file, tmp_path):
    command = ["explain", str(patch_file), "--out", str(tmp_path), "--model", str(small_folder)]
    assert cli.main([*command, "--methods", "mean_cam", "--rule", "median", "--strength", "2"]) == 0
    numbers = json.loads((tmp_path / patch_file.stem / "explanation.json").read_text(encoding="utf-8"))
    assert (numbers["rule"], numbers["strength"], list(numbers["tau"])) == ("median", 2, ["mean_cam"])


def test_the_page_offers_them_in_every_menu(small):
    components = app.build(small).get_config_file()["components"]
    menus = [c for c in components if ("Mean-CAM", "mean_cam") in map(tuple, c["props"].get("choices") or ())]
    assert sorted(c["type"] for c in menus) == ["checkboxgroup", "dropdown", "dropdown"]  # compare, lab, trust
    assert any("multiple of the median" in json.dumps(c["props"], default=str) for c in components)


def test_their_sentences_are_in_the_glossary():
    assert "Mean-CAM" in glossary.methods()
    for meaning in (cam.METHODS["mean_cam"].meaning, thresholds.RULES["median"].meaning):
        assert 25 <= len(meaning) <= 160


def test_the_rule_starts_at_a_stop_of_its_control(heat):
    rule = thresholds.RULES["median"]
    assert rule.default in rule.strengths()
    assert thresholds.apply(heat, "median").tau == pytest.approx(2 * heat.median().item())


def test_a_report_from_before_them_still_has_its_answers():
    report = json.loads((ROOT / "weights" / "explanations.json").read_text(encoding="utf-8"))
    answers = conclusions.answers(report["truths"])
    assert [answers[key] for key in ("first", "rule")] == [report["answers"][key] for key in ("first", "rule")]


def test_every_path_in_contributing_and_security_exists():
    text = TEXT + (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"\b(?:dala|tests|weights|examples)/[\w/]+(?:\.\w+)?", text))
    assert len(paths) > 8
    assert {path for path in paths if not (ROOT / path).exists()} == set()
