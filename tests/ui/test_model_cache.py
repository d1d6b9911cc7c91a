"""The cache of networks: each is loaded once for all visitors, few are kept, and all come from the Hub."""

import json
import shutil
import threading

import pytest

from dala import DALAResNet50
from dala.errors import DalaError
from dala.models import serialization
from dala.models.serialization import WeightsError
from dala.phantoms import phantom
from dala.ui.model_cache import HOST, ModelCache
from dala.ui.sidebar import model
from dala.ui.tabs import results
from tests.support.fake_hub import COMMIT, Hub, point
from tests.support.reports import REPORT


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Networks of three and of eight classes, the first with samples."""
    networks = {}
    for n in (3, 8):
        folder = tmp_path_factory.mktemp(f"classes{n}")
        names, size = [f"class {i}" for i in range(n)], {"height": 96, "width": 128}
        DALAResNet50(names, size, {"data": "<b>elsewhere</b>"}).save_pretrained(folder)
        networks[f"you/net{n}"] = folder
    (networks["you/net3"] / "samples").mkdir()
    phantom.make(5, size=(128, 96)).picture.save(networks["you/net3"] / "samples" / "one.png")
    (networks["you/net3"] / "samples" / "samples.json").write_text('[{"file": "one.png", "caption": "one of theirs"}]')
    return networks


@pytest.fixture
def cache(small, folders, tmp_path, monkeypatch):
    with Hub(folders) as hub:
        point(monkeypatch, hub.url, tmp_path / "cache")
        one = ModelCache(small, capacity=1, device="cpu")
        one.hub = hub
        yield one


def test_a_network_from_the_hub_by_its_commit(cache, small, patch):
    key = cache.add("you/net3")
    assert key == f"you/net3@{COMMIT}"
    assert list(cache[key].explain(patch).probabilities) == ["class 0", "class 1", "class 2"]
    assert cache[HOST] is small
    assert [s.caption for s in cache.samples(key)] == ["one of theirs"]


def test_two_visitors_load_the_same_network_once(cache):
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(cache.add("you/net3"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(cache) == 2
    gets = [path for method, path in cache.hub.requests if method == "GET" and path.endswith(".safetensors")]
    assert len(gets) == 1


def test_the_least_recently_used_is_dropped_and_loaded_again_from_the_cache(cache):
    first = cache.add("you/net3")
    cache.add("you/net8")
    assert len(cache) == 2
    before = len(cache.hub.requests)
    assert len(cache[first].class_names) == 3
    assert len(cache.hub.requests) == before


@pytest.mark.parametrize(
    "source", ["", "weights", "/etc/passwd", "../x/y", "https://x.test/a/b", "you/net3/../..", "a" * 9999]
)
def test_only_hub_ids_are_taken(cache, source):
    with pytest.raises(WeightsError):
        cache.add(source)
    assert cache.hub.requests == []


def test_a_folder_of_that_name_is_not_opened(cache, folders, tmp_path, monkeypatch):
    shutil.copytree(folders["you/net8"], tmp_path / "here" / "you" / "net3")
    monkeypatch.chdir(tmp_path / "here")
    assert len(cache[cache.add("you/net3")].class_names) == 3


def test_a_missing_repository_changes_nothing(cache):
    with pytest.raises(DalaError, match="no such repository"):
        cache.add("you/nothing")
    assert len(cache) == 1


def test_the_panel_tells_where_a_network_comes_from_as_text(cache):
    html = model.table(cache[cache.add("you/net3")])
    assert COMMIT in html
    assert "&lt;b&gt;elsewhere&lt;/b&gt;" in html
    assert "class 0, class 1, class 2" in html
    assert serialization.sha256(cache.hub.repositories["you/net3"] / "model.safetensors") in html


def test_the_report_of_a_network_from_the_hub_is_fetched_and_shown(cache, folders):
    (folders["you/net8"] / "report.json").write_text(json.dumps(REPORT))
    try:
        html = results.page_of(cache[cache.add("you/net8")])
    finally:
        (folders["you/net8"] / "report.json").unlink()
    assert "40 pictures of 6 patients" in html
    assert results.page_of(cache[cache.add("you/net3")]) == results.NOTHING


@pytest.mark.parametrize(
    ("environment", "allowed"),
    [
        ({}, True),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, False),
        ({"SPACE_ID": "you/space"}, False),
        ({"SPACE_ID": "you/space", "DALA_ALLOW_MODEL_CHOICE": "1"}, True),
        ({"DALA_ALLOW_MODEL_CHOICE": "0"}, False),
    ],
)
def test_where_visitors_may_choose(environment, allowed, monkeypatch):
    for name in ("GRADIO_SERVER_NAME", "SPACE_ID", "DALA_ALLOW_MODEL_CHOICE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert model.choice_allowed() is allowed
