"""One patch, class, method and rule: the same map, threshold and probabilities on every way to them."""

import base64
import json
import subprocess
import sys

import numpy as np
import pytest
from gradio_client import Client, handle_file

from dala import Explainer
from dala.ui.mapview.view import payload
from tests.support.clients import ROOT, arrays, call

TARGET, METHOD, RULE, STRENGTH = "malignant", "layer_cam", "percentile", 85


@pytest.fixture(scope="module")
def python(small_folder, patch_file):
    return Explainer.load(small_folder, "cpu").explain(patch_file, TARGET, methods=[METHOD])


def command_line(folder, file, out):
    options = ["--target", TARGET, "--methods", METHOD, "--rule", RULE, "--strength", str(STRENGTH), "--device", "cpu"]
    command = [sys.executable, "-m", "dala", "explain", file, "--model", folder, "--out", out, *options]
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, capture_output=True, timeout=120)
    written = out / file.stem
    with np.load(written / "maps.npz") as maps:
        return json.loads((written / "explanation.json").read_text()), maps[METHOD]


def test_five_ways_to_one_answer(python, served, small_folder, patch_file, tmp_path):
    options = {"target": TARGET, "rule": RULE, "strength": STRENGTH, "method": METHOD, "raw_maps": True}
    over_http = Client(served.local_url, verbose=False).predict(
        handle_file(patch_file), **options, api_name="/explain"
    )[0]
    encoded = base64.b64encode(patch_file.read_bytes()).decode()
    over_mcp = json.loads(call(served, "explain", image=encoded, **options).content[0].text)
    kept, raw = python.threshold(RULE, STRENGTH), python.maps[METHOD].numpy()

    answers = [command_line(small_folder, patch_file, tmp_path)]
    answers += [(numbers, arrays(numbers["raw_maps"])[METHOD]) for numbers in (over_http, over_mcp)]
    for numbers, map_ in answers:
        assert numbers["probabilities"] == python.probabilities
        assert numbers["warning"] is python.warning is None
        assert numbers["shift"] is numbers["shift_distance"] is python.shift is None
        assert numbers["logits"] == dict(zip(python.class_names, python.logits.tolist(), strict=True))
        assert (numbers["tau"], numbers["kept_area"]) == ({METHOD: kept.tau}, {METHOD: kept.kept_area})
        assert (map_.dtype, map_.tobytes()) == (raw.dtype, raw.tobytes())

    (drawn,) = json.loads(json.dumps(payload(python)))["maps"]
    assert base64.b64decode(drawn["raw"]) == raw.tobytes()
    row = next(row for row in drawn["tables"][RULE] if row[0] == STRENGTH)
    # The tables are rounded to nine digits, and to a millionth of the area.
    assert row[1:] == pytest.approx([kept.tau, kept.kept_area], rel=1e-8, abs=1e-6)
