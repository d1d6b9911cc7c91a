"""The app, run as a script or by a Hugging Face Space: builds the page around a network and serves it."""

import os
import signal
import sys
from contextlib import suppress
from typing import Any

if __name__ == "__main__":
    # Before the imports, which take seconds: Ctrl-C and a container's stop then end the process without a traceback.
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, lambda number, _: sys.exit(128 + number))

# OpenMP threads that wait shall sleep. By default they spin, which takes a core from other work: on two shared cores an
# eigenvalue decomposition of 15 ms took seconds. The variable is read once, when torch is loaded.
os.environ["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "passive")

with suppress(ImportError):
    import spaces  # noqa: F401  it prepares torch for ZeroGPU and has to be imported before it

import gradio as gr
from markupsafe import Markup

from dala import Explainer, files
from dala.commands import refuse
from dala.errors import DalaError
from dala.publishing import hub_samples, pinned, samples
from dala.ui.model_cache import ModelCache
from dala.ui.server import api, guard, mcp, zero_gpu
from dala.ui.server.blocks import Blocks
from dala.ui.server.uploads import MAX_MEGABYTES
from dala.ui.session import Page
from dala.ui.sidebar import model, patch
from dala.ui.tabs import compare, explain, results, threshold_lab, trust, walkthrough
from dala.ui.theme import CSS, theme

TITLE = "DALA: see what a network looks at in breast tissue"


def build(explainer: Explainer, note: str = "") -> gr.Blocks:
    """Build the page around a network; `note` says why it is not the one that was configured."""
    pictures = samples.find(_own_samples())
    # Uploads are deleted after an hour; no analytics are sent.
    with Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as demo:
        gr.HTML(_head(explainer, note))
        page = Page(ModelCache(explainer), first="explain")
        changed = gr.Textbox(visible="hidden")
        with gr.Row(elem_classes="page"):
            with gr.Column(scale=1, min_width=270, elem_classes="side"):
                patch.build(page, demo, pictures, changed)
                model.build(page, changed)
            with gr.Column(scale=3, min_width=300), gr.Tabs(elem_classes="tabs", overflow_behavior="wrap"):
                explain.build(page)
                threshold_lab.build(page, demo)
                compare.build(page, demo)
                walkthrough.build(page, pictures, demo)
                trust.build(page, demo)
                results.build(page)
        page.connect()
        api.build(explainer)
        gr.Markdown(
            "A picture you upload stays on this server's disk for up to an hour, and in its memory while this page is "
            "open; your browser keeps it for a reload. Upload nothing that identifies a patient.",
            elem_classes="small",
        )
    return demo


def launch(demo: gr.Blocks, **options: Any) -> Any:
    """Launch the page with the options that a public demo needs; `options` go to `gr.Blocks.launch`.

    Raises:
        DalaError: `DALA_QUEUE` is no whole number of 1 or more.
    """
    return demo.queue(max_size=_queue()).launch(
        theme=theme(),
        css=CSS,
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        max_file_size=f"{MAX_MEGABYTES}mb",
        state_session_capacity=100,
        ssr_mode=False,
        mcp_server=mcp.offered(),
        footer_links=["api"],
        app_kwargs=guard.options(),
        **options,
    )


def run() -> int:
    """Serve the page until Ctrl-C or SIGTERM; return the exit code."""
    try:
        explainer, note = pinned.load()
        zero_gpu.lend(explainer)
        demo = build(explainer, note)
        try:
            launch(demo, prevent_thread_lock=True)
            demo.block_thread()
        finally:
            # Ends open sessions and deletes their pictures.
            demo.close()
    except DalaError as error:
        return refuse(str(error))
    except OSError as error:
        if error.errno in files.REFUSALS:
            return refuse(files.refused(error, error.filename or "The app's temporary folder"))
        if error.errno is None:  # raised by Gradio, where the port is taken
            return refuse(str(error))
        raise
    return 0


def _own_samples() -> str | None:
    """The folder of `DALA_SAMPLES`, fetched if it names a data set of the Hub; "" if that cannot be had."""
    own = os.environ.get("DALA_SAMPLES")
    if not own or not hub_samples.is_data_set(own):
        return own
    try:
        return str(hub_samples.folder(own))
    except DalaError as error:
        print(f"{error} The shipped samples are shown alone.", file=sys.stderr)
        return ""


def _queue() -> int:
    value = os.environ.get("DALA_QUEUE") or "64"
    if not value.isdecimal() or not int(value):
        raise DalaError(f"DALA_QUEUE is how many requests may wait, 1 or more, not {value!r}.")
    return int(value)


def _head(explainer: Explainer, note: str = "") -> str:
    origin = explainer.origin
    data = explainer.provenance.get("data", "unknown data")
    scale = explainer.preprocessing.magnification or "unknown magnification"
    source = note or (f"{origin.source}@{origin.revision[:7]}" if origin and origin.revision else "")
    head = Markup(
        "<div class='head'><h1>DALA <span>See what a network looks at in breast tissue.</span></h1>"
        "<p>for teaching, not for diagnosis · model: {}, {}{}</p></div>"
    )
    return head.format(data, scale, f" ({source})" if source else "")


if __name__ == "__main__":
    raise SystemExit(run())
