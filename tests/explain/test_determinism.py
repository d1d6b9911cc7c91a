"""The same command twice gives the same bytes, whatever the hash seed; and how far two threads are from one.

Between one thread and two, sums are added up in another order. Measured over seven patches: raw maps differ by at most
1.6e-5 of their maximum (Ablation-CAM; Grad-CAM by 9e-7), probabilities by 1.4e-7.
"""

import base64
import hashlib
import io
import json
import zipfile
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dala.cam import METHODS
from dala.explain import export
from dala.heatmaps import thresholds
from dala.phantoms import dataset, phantom
from dala.ui import download
from tests.support.forked_cli import Warm
from tests.support.tiny_run import training

# Of maps, by their maximum; of probabilities.
MAPS, PROBABILITIES = 5e-5, 1e-6
TIMES = ("seconds", "images_per_second")
NUMBERS = count()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two processes of the command line with different hash seeds, and a folder for each."""
    places = [tmp_path_factory.mktemp(f"seed{seed}") for seed in (0, 1)]
    with Warm(places[0], PYTHONHASHSEED="0") as first, Warm(places[1], PYTHONHASHSEED="4242") as second:
        yield list(zip((first, second), places, strict=True))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("same") / "phantoms"
    dataset.make_folder(root, dataset.Recipe(8, size=(128, 96)))
    return root


def contents(folder):
    """Read files by name; JSON without its times."""
    digests = {}
    for file in sorted(f for f in folder.rglob("*") if (f.is_file() and f.suffix != ".csv") or f.name == "summary.csv"):
        content = file.read_bytes()
        if file.suffix == ".json":
            content = json.dumps(timeless(json.loads(content))).encode()
        digests[str(file.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return digests


def timeless(value):
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in TIMES}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def same(two, *command, code=0):
    """Run a command in both processes, with OUT replaced by its own folder; return what both printed and wrote."""
    outputs, number = [], next(NUMBERS)
    for one, place in two:
        out = place / f"out-{number}"
        ended = one.run(*(out if part == "OUT" else str(part).replace("OUT", str(out)) for part in command))
        assert ended.code == code, ended.err
        outputs.append((ended.out.replace(str(place), ""), contents(out) if out.exists() else {}))
    assert outputs[0] == outputs[1]
    return outputs[0]


@pytest.mark.slow
def test_a_folder_explained_twice(two, tree, small_folder):
    methods = [m for m in METHODS if not METHODS[m].reruns]
    command = ["explain", tree, "--out", "OUT", "--model", small_folder, "--workers", "1", "--methods", *methods]
    _, files = same(two, *command)
    assert len(files) == 8 * (2 * len(methods) + 2) + 1


@pytest.mark.slow
def test_phantoms_and_a_training_twice(two, tree, tmp_path):
    _, files = same(two, "phantom", "--n", "4", "--size", "128x96", "--out", "OUT", "--decoy", "ink", "--workers", "1")
    assert len(files) == 5
    _, files = same(two, *training(tree, "OUT", "--epochs", "0"))
    assert {"model.safetensors", "config.json", "report.json", "fold-0-0/model.safetensors"} <= set(files)


@pytest.mark.slow
def test_trust_twice(two, tree, small_folder):
    picture = next((tree / "malignant").iterdir())
    text, _ = same(two, "trust", picture, "--model", small_folder)
    assert text.count("\n") > 3


@pytest.mark.slow
def test_a_comparison_of_runs_and_a_study_twice(two, tree, small_folder, tmp_path):
    for name, network in (("a", "colour"), ("b", "probe")):
        two[0][0].run(*training(tree, tmp_path / name, "--network", network, "--split", "patient", "--folds", "2"))
    text, _ = same(two, "compare", tmp_path / "a", tmp_path / "b", "--bootstrap", "50")
    assert "auc" in text.lower()
    _, files = same(two, "evaluate", "explanations", "--quick", "--out", "OUT", "--phantom", small_folder)
    assert {"explanations.json", "explanations.md"} <= set(files)


def test_a_threshold_and_the_apps_zip_twice(small, patch):
    chosen = SimpleNamespace(palette="inferno", opacity=0.5, look="outline")
    results = []
    for _ in range(2):
        e = small.explain(patch, methods=("grad_cam", "layer_cam"))
        content = export.files(e, small, "otsu", None, download.display(chosen))
        text = download.whole(content, e, small, ("otsu", None, False), "patch.png")
        results.append(base64.b64decode(text.split(",", 1)[1]))
    archives = [zipfile.ZipFile(io.BytesIO(content)) for content in results]
    assert archives[0].namelist() == archives[1].namelist()
    assert {i.date_time for a in archives for i in a.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    for name in archives[0].namelist():
        first, second = (a.read(name) for a in archives)
        assert (
            timeless(json.loads(first)) == timeless(json.loads(second)) if name.endswith(".json") else first == second
        )
    raw = torch.rand(12, 16, generator=torch.Generator().manual_seed(0))
    for rule in thresholds.RULES:
        (numbers, mask), (again, twin) = (export.masked(raw, (96, 128), rule) for _ in range(2))
        assert (numbers, mask.tobytes()) == (again, twin.tobytes())


def test_two_threads_differ_from_one_by_rounding_alone(explainer, real_or_drawn):
    methods, before, results = [m for m in METHODS if not METHODS[m].reruns], torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append([explainer.explain(picture, "malignant", methods=methods) for picture in real_or_drawn])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        for name in one.class_names:
            assert abs(one.probabilities[name] - two.probabilities[name]) <= PROBABILITIES
        for method in methods:
            a, b = one.maps[method].numpy(), two.maps[method].numpy()
            # Its weights are small differences of scores: rounding is a larger part of them.
            atol = MAPS * max(float(a.max()), 1e-6) * (10 if method == "ablation_cam" else 1)
            np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=method)


@pytest.fixture(scope="module")
def real_or_drawn():
    """Patches of 700x460 px."""
    return [phantom.make(seed, malignant=seed % 2 == 1).picture for seed in range(2)]
