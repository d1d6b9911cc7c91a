"""`shift.json` beside the weights, and what an explanation says with it."""

from dataclasses import replace

import pytest

from dala import Explainer
from dala.explain import export, shift
from dala.explain.shift import ShiftError
from dala.hub.errors import HubError
from dala.images.stain import restained
from tests.support import shifted


def test_the_file_is_read_as_it_was_fitted(shift_folder, at_home, patch):
    fitted, read = shifted.of(patch), at_home.laboratories
    values = shifted.around(patch, n=5, seed=1)
    assert read.distances(values.values, values.sides) == pytest.approx(
        fitted.distances(values.values, values.sides), rel=1e-4
    )
    content = shift.read(shift_folder / shift.FILE, at_home.origin.sha256)
    assert [row["title"] for row in content["measured"]["own"]] == ["Utopia"]


def test_an_explanation_says_it_beside_its_probability(at_home, patch):
    e = at_home.explain(restained(patch, 2, 0.5))
    numbers = export.values(e, export.thresholds(e), at_home)
    assert e.shift == numbers["shift"] == e.comparison.sentence()
    assert e.shift.startswith("From a laboratory unlike those in training (")
    assert numbers["shift_distance"] > 1
    home = at_home.explain(patch)
    assert home.shift is None
    assert 0 < home.comparison.distance < 1
    again = at_home.retarget(e, "benign")
    assert again.shift == e.shift


def test_without_the_file_nothing_is_claimed(small, small_folder, at_home, patch):
    e = small.explain(restained(patch, 2, 0.5))
    numbers = export.values(e, export.thresholds(e), small)
    assert e.shift is e.comparison is numbers["shift"] is numbers["shift_distance"] is None
    assert shift.beside(replace(at_home.origin, folder=small_folder)) is None


DAMAGES = {
    "not JSON": lambda text: text[:-40],
    "laboratories is missing": lambda text: text.replace('"laboratories"', '"labs"'),
    "is not valid": lambda text: text.replace('"share": 0.95', '"share": "most"'),
    "scale.0 is not valid": lambda text: text.replace('"scale": [', '"scale": [-1, '),
    "does not fit its 37 statistics": lambda text: text.replace('"mean": [', '"mean": [0, '),
    "names statistics that": lambda text: text.replace('"density_low"', '"density_lower"'),
    "fitted for other weights": lambda text: text.replace('"sha256": "', '"sha256": "0'),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_a_damaged_file_is_refused_in_one_sentence(words, shift_folder, at_home, tmp_path):
    file = tmp_path / shift.FILE
    file.write_text(DAMAGES[words]((shift_folder / shift.FILE).read_text()))
    with pytest.raises(ShiftError, match=words) as error:
        shift.read(file, at_home.origin.sha256)
    assert "\n" not in str(error.value)


def test_weights_with_a_file_of_others_are_not_used(shift_folder, at_home, tmp_path):
    text = (shift_folder / shift.FILE).read_text()
    (tmp_path / shift.FILE).write_text(text.replace('"sha256": "', '"sha256": "0'))
    with pytest.raises(ShiftError, match="fitted for other weights; write it again with `python -m dala shift`"):
        Explainer(at_home.model, "cpu", replace(at_home.origin, folder=tmp_path))


def test_a_hub_that_is_not_reached_is_no_reason_not_to_explain(at_home, monkeypatch):
    def unreached(*_, **__):
        raise HubError("you/net: cannot be reached")

    monkeypatch.setattr(type(at_home.origin), "beside", unreached)
    with pytest.warns(UserWarning, match="not compared with the laboratories in training: you/net"):
        assert shift.beside(at_home.origin) is None


def test_the_file_comes_from_the_hub_with_the_weights(shift_folder, serve, at_home):
    server = serve(shift_folder)
    explainer = Explainer.load("you/net", "cpu")
    assert explainer.laboratories.sources[0].title == "Utopia"
    server.requests.clear()
    assert shift.beside(explainer.origin) is not None
    assert not server.requests
