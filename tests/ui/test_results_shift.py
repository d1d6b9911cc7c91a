"""Error rates of the check of laboratories on the page are those of the file."""

import copy
import json
from dataclasses import replace

from dala.explain import shift
from dala.ui.tabs import results_shift

RATES = {
    "own": [{"title": "<b>Utopia</b>", "pictures": 400, "spoken": 18, "median": 0.61}],
    "left_out": [{"title": "Atlantis", "pictures": 1000, "spoken": 990, "median": 2.1}],
    "outside": [{"title": "Eldorado", "pictures": 200, "spoken": 90, "median": 1.2}],
}


def test_the_rates_are_those_of_the_file(at_home, shift_folder, small, tmp_path):
    content = json.loads((shift_folder / shift.FILE).read_text()) | {"measured": RATES}
    (tmp_path / shift.FILE).write_text(json.dumps(content))
    one = copy.copy(at_home)
    one.origin = replace(at_home.origin, folder=tmp_path)
    page = results_shift.page(one)
    assert (
        "4.5 % get the note without reason; of a laboratory that is left out, or was never in it, 45.0 % to 99.0 %."
        in page
    )
    assert "<b>Utopia" not in page
    row = "<td>none</td><td>200</td><td>45.0 %</td><td>1.20</td>"
    assert f"<th scope='row'>Eldorado</th>{row}" in page.replace('"', "'")
    (tmp_path / shift.FILE).write_text("{}")
    assert results_shift.page(one) == results_shift.page(small) == ""
