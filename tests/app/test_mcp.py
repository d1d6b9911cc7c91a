"""The endpoints as MCP tools, from the protocol's own client."""

import base64
import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

import app
from dala.explain import export
from dala.ui.server import mcp
from tests.support.clients import FILE, README, arrays, block, call, talk

pytest.importorskip("mcp")


@pytest.fixture(scope="module")
def encoded(patch_file):
    return base64.b64encode(patch_file.read_bytes()).decode()


def test_the_tools_are_the_endpoints(served):
    listed = talk(f"{served.local_url}gradio_api/mcp/", lambda session: session.list_tools()).tools
    assert [tool.name for tool in listed] == ["explain", "compare", "threshold"]
    for tool in listed:
        assert "diagnosis" in tool.description or tool.name == "threshold"
        assert tool.inputSchema["required"] == ["raw_map" if tool.name == "threshold" else "image"]
        for name, parameter in tool.inputSchema["properties"].items():
            assert parameter["description"], name
    schema = listed[0].inputSchema["properties"]
    assert schema["target"]["enum"] == ["benign", "malignant", None]
    assert schema["image"]["type"] == "string"
    assert "url" not in json.dumps(schema["image"]).lower().replace("data url", "")


def test_a_tool_answers_in_json_and_pictures(served, small, patch_file, encoded):
    e = small.explain(patch_file, "malignant")
    expected = export.pictures(e, export.thresholds(e, "otsu"))
    for image in (encoded, f"data:image/png;base64,{encoded}"):
        answer = call(served, "explain", image=image, target="malignant", rule="otsu", strength=None)
        assert not answer.isError
        numbers = json.loads(answer.content[0].text)
        assert numbers["tau"]["grad_cam"] == e.threshold("otsu").tau
        pictures = [Image.open(io.BytesIO(base64.b64decode(c.data))) for c in answer.content if c.type == "image"]
        for picture, name in zip(pictures, ("grad_cam", "dt_grad_cam"), strict=True):
            np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected[name]))


def test_progress_changes_no_answer(served, encoded):
    # Gradio takes another path where a client asks for progress.
    messages = []

    async def receive(progress, total, message):
        messages.append(message)

    answer = talk(
        f"{served.local_url}gradio_api/mcp/",
        lambda session: session.call_tool("explain", {"image": encoded}, progress_callback=receive),
    )
    assert messages
    assert [c.type for c in answer.content] == ["text", "image", "text", "image", "text"]
    assert json.loads(answer.content[0].text)["rule"] == "mean_std"


def test_compare_and_threshold(served, small, patch_file, encoded):
    methods = ["grad_cam", "layer_cam"]
    compared = call(served, "compare", image=encoded, methods=methods, raw_maps=True)
    numbers = json.loads(compared.content[0].text)
    e = small.explain(patch_file, methods=methods)
    assert numbers["agreement"] == export.agreement_values(e)
    np.testing.assert_array_equal(arrays(numbers["raw_maps"])["layer_cam"], e.maps["layer_cam"].numpy())
    for raw in (numbers["raw_maps"], e.maps["layer_cam"].tolist()):
        name = "layer_cam" if isinstance(raw, str) else None
        kept = call(served, "threshold", raw_map=raw, height=96, width=128, name=name)
        assert json.loads(kept.content[0].text)["tau"] == e.threshold(method="layer_cam").tau


def uploads():
    return sorted(p for p in Path(get_upload_folder()).rglob("*") if p.is_file())


def test_no_address_is_fetched_and_no_path_opened(served, patch_file, elsewhere):
    address, reached = elsewhere
    secret = patch_file.with_name("on the server.png")
    secret.write_bytes(patch_file.read_bytes())
    paths = (f"{address}/x.png", address.replace("http", "HTTP"), f"file://{secret}", str(secret), "/etc/passwd")
    calls = [
        (tool, {name: value})
        for tool, name in (("explain", "image"), ("compare", "image"), ("threshold", "raw_map"))
        for path in paths
        for value in (path, {"path": path, **FILE}, {"path": path, "url": path, **FILE}, [path], [[{"path": path}]])
    ]
    calls += [
        ("compare", {"image": "AAAA", name: {"path": str(secret), **FILE}}) for name in ("methods", "target", "rule")
    ]

    async def speak(session):
        return [await session.call_tool(*one) for one in calls]

    before = uploads()
    for answer in talk(f"{served.local_url}gradio_api/mcp/", speak):
        assert answer.isError
        assert "root:" not in answer.content[0].text
        assert "Traceback" not in answer.content[0].text
    assert not reached
    assert uploads() == before


def test_gradios_client_never_gets_a_file(served, patch_file, encoded):
    # Even if the schemas let one through: another package enforces them.
    server = served.mcp_server_obj
    for arguments in ({"image": {"path": str(patch_file), **FILE}}, {"image": encoded, "methods": [{"path": "x"}]}):
        with pytest.raises(mcp.ToolsError, match="an address or a path is not taken"):
            server._prepare_tool_call_args("compare", arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"image": "http://example.org/x.png"}, "an address or a path is not taken"),
        ({"image": "bm8gcGljdHVyZQ=="}, "not a picture"),
        ({"strength": 99}, "goes from -1 to 4, not 99"),
        ({"target": "cancer"}, "'cancer' is not one of ['benign', 'malignant'"),
        ({"method": "score_cam"}, "'score_cam' is not one of"),
        ({"magic": 1}, "'magic' was unexpected"),
    ],
)
def test_errors_are_sentences(served, encoded, arguments, sentence):
    answer = call(served, "explain", **{"image": encoded} | arguments)
    assert answer.isError
    assert sentence in answer.content[0].text
    assert len(answer.content[0].text.splitlines()) == 1


def test_the_readmes_configuration(served):
    (configured,) = json.loads(block("mcpServers"))["mcpServers"].values()
    url = configured["url"].replace("http://127.0.0.1:7860/", served.local_url)
    assert len(talk(url, lambda session: session.list_tools()).tools) == 3
    assert 'pip install "gradio[mcp]"' in README


def test_a_missing_package_is_one_sentence(monkeypatch):
    for value in ("", "0", "false"):
        monkeypatch.setenv("DALA_MCP", value)
        assert not mcp.offered()
    monkeypatch.setenv("DALA_MCP", "1")
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert importlib.util.find_spec("mcp") is None
    with pytest.raises(mcp.ToolsError, match=r'pip install "gradio\[mcp\]"'):
        mcp.offered()


def test_the_app_ends_with_that_sentence(monkeypatch, small_folder, capsys):
    monkeypatch.setenv("DALA_MCP", "1")
    monkeypatch.setenv("DALA_MODEL", str(small_folder))
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert app.run() == 2
    assert capsys.readouterr().err == 'DALA_MCP needs one more package: pip install "gradio[mcp]"\n'
