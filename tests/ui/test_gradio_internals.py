"""Gradio's internals, as the installed version has them: a new one that lacks any of them fails here, by name."""

import importlib
import inspect
import re
from typing import Any

import gradio as gr
import pytest
from gradio.queueing import Queue
from gradio.utils import get_upload_folder

from dala.ui import server
from dala.ui.server import api, blocks, guard, mcp, uploads

NAMES = re.findall(r"^    (gradio\.[\w.]+)(?:\(([\w, ]*)\))?$", server.__doc__, re.MULTILINE)


def resolved(name: str) -> Any:
    """The object of a dotted name, whose first parts are a module."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            value = getattr(value, part)
        return value
    raise AssertionError(name)


def test_the_list_is_read():
    assert len(NAMES) == len(re.findall(r"^    gradio\.", server.__doc__, re.MULTILINE)) > 10


@pytest.mark.parametrize(("name", "parameters"), NAMES)
def test_a_name_exists_with_its_parameters(name, parameters):
    if name.startswith("gradio.mcp"):
        pytest.importorskip("mcp")
    value = resolved(name)
    if parameters:
        assert [p for p in inspect.signature(value).parameters if p != "self"] == parameters.split(", ")


def test_the_queue_is_the_one_that_is_replaced():
    with gr.Blocks(analytics_enabled=False) as plain:
        gr.Textbox()
    assert type(plain.queue()._queue) is Queue
    assert len(plain._queue.pending_messages_per_session) == 0
    assert "queue_full" in str(inspect.signature(Queue.push).return_annotation)
    with blocks.Blocks(analytics_enabled=False) as ours:
        gr.Textbox()
    assert isinstance(ours.queue(max_size=3)._queue, Queue)
    assert type(ours._queue) is not Queue
    assert ours._queue.max_size == 3


def test_every_import_from_inside_gradio_is_listed():
    for module in (api, blocks, guard, mcp, uploads):
        for package, names in re.findall(r"^from (gradio[.\w]*) import (.+)$", inspect.getsource(module), re.MULTILINE):
            for name in names.split(", "):
                assert any(listed.startswith(f"{package}.{name}") for listed, _ in NAMES), (module, name)


def test_uploads_are_in_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert get_upload_folder() == str(tmp_path)
