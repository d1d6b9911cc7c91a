"""The public endpoints over HTTP, from `gradio_client` and from raw requests."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio.components.api_component import Api
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dala import cam
from dala.explain import export
from dala.heatmaps import thresholds
from tests.support.clients import FILE, ROOT, arrays, ask, block


@pytest.fixture(scope="module")
def client(served):
    return Client(served.local_url, verbose=False)


def test_explain_equals_python(client, small, patch_file):
    numbers, plain, kept = client.predict(
        handle_file(patch_file), "malignant", "percentile", 90, method="layer_cam", layer="layer3", raw_maps=True,
        api_name="/explain",
    )  # fmt: skip
    e = small.explain(patch_file, "malignant", methods=["layer_cam"], layer="layer3")
    assert numbers["probabilities"] == e.probabilities
    assert numbers["tau"] == {"layer_cam": e.threshold("percentile", 90).tau}
    np.testing.assert_array_equal(arrays(numbers["raw_maps"])["layer_cam"], e.maps["layer_cam"].numpy())
    expected = export.pictures(e, export.thresholds(e, "percentile", 90))
    np.testing.assert_array_equal(np.asarray(Image.open(plain)), np.asarray(expected["layer_cam"]))
    np.testing.assert_array_equal(np.asarray(Image.open(kept)), np.asarray(expected["dt_layer_cam"]))


def test_a_margin_and_evidence_against(client, small, patch_file):
    over = client.predict(handle_file(patch_file), "benign", over="malignant", api_name="/explain")[0]
    assert over["target"] == "benign over malignant"
    assert over["raw_max"]["grad_cam"] == small.explain(patch_file, ("benign", "malignant")).maps["grad_cam"].max()
    against = client.predict(handle_file(patch_file), "malignant", evidence="against", api_name="/explain")[0]
    assert (
        against["raw_max"]["grad_cam"]
        == small.explain(patch_file, "malignant", evidence="against").maps["grad_cam"].max()
    )


def test_only_the_image_is_needed(served, client, small, patch_file):
    numbers, *_ = client.predict(image=handle_file(patch_file), api_name="/explain")
    assert numbers["rule"] == thresholds.DEFAULT_RULE
    assert numbers["target"] == small.explain(patch_file).target
    assert "raw_maps" not in numbers
    encoded = base64.b64encode(patch_file.read_bytes()).decode()
    for text in (encoded, f"data:image/png;base64,{encoded}", base64.encodebytes(patch_file.read_bytes()).decode()):
        event, (again, *_) = ask(served.local_url, "explain", text)
        assert event == "complete"
        assert {**again, "seconds": 0} == {**numbers, "seconds": 0}


def test_a_call_of_the_first_four_values_is_answered(served, client, patch_file):
    path = httpx.post(f"{served.local_url}gradio_api/upload", files={"files": patch_file.open("rb")}).json()[0]
    event, (numbers, *_) = ask(served.local_url, "explain", {"path": path, **FILE}, "", "otsu", None)
    assert (event, numbers["rule"], numbers["strength"]) == ("complete", "otsu", None)


def test_compare_measures_how_far_methods_agree(client, small, patch_file):
    methods = ["grad_cam", "eigen_cam", "centre_gaussian"]
    numbers, sheet = client.predict(
        handle_file(patch_file), "benign", methods=methods, share=0.1, raw_maps=True, api_name="/compare"
    )
    e = small.explain(patch_file, "benign", methods=methods)
    kept = export.thresholds(e)
    assert numbers["agreement"] == export.agreement_values(e, 0.1)
    assert numbers["kept_area"] == {m: kept[m].kept_area for m in methods}
    for method, raw in arrays(numbers["raw_maps"]).items():
        np.testing.assert_array_equal(raw, e.maps[method].numpy())
    sheet = Image.open(sheet)
    assert list(numbers["places"]) == [prefix + m for m in methods for prefix in ("", "dt_")]
    for name, picture in export.pictures(e, kept).items():
        np.testing.assert_array_equal(np.asarray(sheet.crop(numbers["places"][name])), np.asarray(picture))


def test_threshold_needs_no_network(client, small, patch_file):
    e = small.explain(patch_file, methods=["grad_cam", "layer_cam"])
    kept = e.threshold("share_of_max", 0.3, "layer_cam")
    text = client.predict(handle_file(patch_file), methods=list(e.maps), raw_maps=True, api_name="/compare")[0][
        "raw_maps"
    ]
    width, height = e.picture.size
    for source, name in ((text, "layer_cam"), (e.maps["layer_cam"].tolist(), None)):
        numbers, mask = client.predict(source, "share_of_max", 0.3, height, width, name, api_name="/threshold")
        assert (numbers["tau"], numbers["kept_area"]) == (kept.tau, kept.kept_area)
        np.testing.assert_array_equal(np.asarray(Image.open(mask)) == 255, kept.mask.numpy())
    own, _ = client.predict(e.maps["grad_cam"].tolist(), api_name="/threshold")
    assert own["size"] == list(e.maps["grad_cam"].shape)


def test_the_endpoints_are_documented_and_nothing_else_is_public(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(endpoints) == ["/explain", "/compare", "/threshold"]
    names = {name: [p["parameter_name"] for p in endpoint["parameters"]] for name, endpoint in endpoints.items()}
    assert names["/explain"][:4] == ["image", "target", "rule", "strength"]
    assert names["/explain"][4:] == ["over", "method", "layer", "evidence", "raw_maps"]
    for endpoint in endpoints.values():
        assert endpoint["description"]
        for parameter in endpoint["parameters"]:
            assert parameter["python_type"]["description"]
            assert parameter["type"]
    assert "not for diagnosis" in endpoints["/explain"]["description"]
    methods = endpoints["/explain"]["parameters"][5]["type"]["enum"]
    assert methods == [name for name, method in cam.METHODS.items() if not method.reruns]


@pytest.mark.parametrize(
    ("endpoint", "values", "sentence"),
    [
        ("explain", {"target": "cancer"}, "no class 'cancer': choose one of benign, malignant"),
        ("explain", {"target": ["benign", "malignant"]}, "`target` has to be text"),
        ("explain", {"rule": "magic"}, "no threshold rule 'magic'"),
        ("explain", {"rule": {"a": 1}}, "`rule` has to be text"),
        ("explain", {"strength": 99}, "goes from -1 to 4"),
        ("explain", {"strength": "high"}, "`strength` has to be a number"),
        ("explain", {"strength": True}, "`strength` has to be a number"),
        ("explain", {"over": "benign"}, "`over` needs `target`"),
        ("explain", {"method": "magic"}, "no method 'magic'"),
        ("explain", {"method": "score_cam"}, "score_cam would take minutes"),
        ("explain", {"method": "ablation_cam", "layer": "layer3"}, "ablation_cam would take minutes"),
        ("explain", {"layer": "roof"}, "no layer 'roof'"),
        ("explain", {"evidence": "about"}, "no kind of evidence 'about'"),
        ("explain", {"raw_maps": "yes"}, "`raw_maps` has to be true or false"),
        ("compare", {"methods": []}, "Name a method"),
        ("compare", {"methods": "grad_cam"}, "`methods` has to be a list of names"),
        ("compare", {"methods": ["grad_cam", 3]}, "`methods` has to be a list of names"),
        ("compare", {"methods": ["grad_cam", "magic"]}, "no method 'magic'"),
        ("compare", {"share": 2}, "above 0 and at most 1"),
        ("threshold", {"raw_map": None}, "`raw_map` has to be text or a list of rows of numbers"),
        ("threshold", {"raw_map": [[1, "a"]]}, "`raw_map` has to be text or a list of rows of numbers"),
        ("threshold", {"raw_map": [[1, -1]]}, "of at least 0"),
        ("threshold", {"raw_map": "AAAA"}, "not an NPZ"),
        ("threshold", {"raw_map": [[1, 2]], "height": 1.5}, "`height` has to be a whole number"),
        ("threshold", {"raw_map": [[1, 2]], "height": 20}, "both the height and the width"),
        ("threshold", {"raw_map": [[1, 2]], "rule": "magic"}, "no threshold rule 'magic'"),
    ],
)  # fmt: skip
def test_errors_are_our_sentences(client, patch_file, endpoint, values, sentence):
    arguments = values if endpoint == "threshold" else {"image": handle_file(patch_file)} | values
    with pytest.raises(AppError, match=sentence):
        client.predict(**arguments, api_name=f"/{endpoint}")


def test_a_value_that_is_no_picture_is_refused(served, client, broken_file):
    for image, sentence in (
        (handle_file(broken_file), "damaged or incomplete"),
        (None, "There is no picture"),
        (base64.b64encode(b"no picture at all").decode(), "not a picture"),
        ("A" * 28_000_000, "more than 20 MB"),
        ("text, and no picture", "an address or a path is not taken"),
    ):
        with pytest.raises(AppError, match=sentence):
            client.predict(image, api_name="/explain")
    for values in ((), (3,), ([],), ({},), ({"path": 3, **FILE},)):
        assert "There is no picture" in ask(served.local_url, "explain", *values)[1]["error"]


@pytest.mark.parametrize("path", ["/etc/passwd", "http://127.0.0.1:9/x.png", "../../etc/passwd", "/proc/self/environ"])
@pytest.mark.parametrize("endpoint", ["explain", "compare"])
def test_no_path_that_was_not_uploaded(served, endpoint, path):
    for value in ({"path": path, **FILE}, {"path": path}, {"url": path}, path):
        event, answer = ask(served.local_url, endpoint, value, None, "mean_std", None)
        assert event == "error"
        assert re.search("has to be uploaded|There is no picture|is not taken", answer["error"])
        assert "root:" not in str(answer)
        assert str(Path.cwd()) not in str(answer)


def test_gradio_alone_would_fetch_an_address(elsewhere):
    address, reached = elsewhere
    with gr.Blocks(analytics_enabled=False) as plain:
        gr.Button().click(
            lambda value: "done", Api(None, {"type": "string"}), Api(None, {}), preprocess=False, api_name="take"
        )
    plain.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        assert ask(plain.local_url, "take", {"path": f"{address}/plain.png", **FILE}) == ("complete", ["done"])
    finally:
        plain.close()
    assert reached == ["/plain.png"]


def test_no_event_follows_an_address(served, elsewhere):
    address, reached = elsewhere
    file = {"path": f"{address}/x.png", "url": f"{address}/x.png", **FILE}
    events = [fn for fn in served.fns.values() if fn.fn and fn.inputs]
    assert len(events) > 5
    for fn in events:
        for value in (file, {"nested": [file]}):
            join = {"fn_index": fn._id, "session_hash": f"s{fn._id}", "data": [value] * len(fn.inputs)}
            assert httpx.post(f"{served.local_url}gradio_api/queue/join", json=join).is_success
            answer = httpx.get(
                f"{served.local_url}gradio_api/queue/data", params={"session_hash": join["session_hash"]}, timeout=60
            ).text
            assert "has to be uploaded" in answer
    assert not reached


def test_the_readmes_client(served, monkeypatch):
    monkeypatch.chdir(ROOT)
    names: dict = {}
    for words in ("gradio_client", "/compare"):
        exec(block(words).replace("http://127.0.0.1:7860", served.local_url.rstrip("/")), names)
    assert Image.open(names["grad_cam"]).size == Image.open(names["dt_grad_cam"]).size
    told, kept = names["result"], names["kept"]
    assert set(told["agreement"]["overlap"]) == {"grad_cam", "layer_cam", "eigen_cam"}
    assert kept["rule"] == "otsu"
    assert 0 < kept["kept_area"] < 1


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not here")
def test_the_readmes_curl(served):
    code = block("curl").replace("http://127.0.0.1:7860", served.local_url.rstrip("/"))
    done = subprocess.run(["bash", "-euc", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    numbers, plain, _ = json.loads(done.stdout.split("data: ", 1)[1])
    assert (numbers["target"], numbers["rule"], numbers["strength"]) == ("malignant", "percentile", 90)
    assert httpx.get(plain["url"]).content.startswith(b"\x89PNG")
