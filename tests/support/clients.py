"""Call a running app: raw requests, the MCP client, and the code in the README of the page."""

import asyncio
import base64
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "dala" / "ui" / "README.md").read_text(encoding="utf-8")
FILE = {"meta": {"_type": "gradio.FileData"}}


def ask(url, endpoint, *values):
    """Call an endpoint with raw values, where Gradio's client would upload files; return the event and its data."""
    call = httpx.post(f"{url}gradio_api/call/{endpoint}", json={"data": list(values)})
    text = httpx.get(f"{url}gradio_api/call/{endpoint}/{call.json()['event_id']}", timeout=60).text
    event, data = re.fullmatch(r"event: (\w+)\ndata: (.*)\n\n", text).groups()
    return event, json.loads(data)


def arrays(text):
    with np.load(io.BytesIO(base64.b64decode(text))) as loaded:
        return dict(loaded)


def talk(url, speak):
    """Run a coroutine with an open MCP session, and return its result."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def run():
        async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await speak(session)

    # In another thread: Playwright has an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result()


def call(served, tool, **arguments):
    """Call one MCP tool."""
    return talk(f"{served.local_url}gradio_api/mcp/", lambda session: session.call_tool(tool, arguments))


def block(words):
    """Return the fenced code in the README of the page that contains these words."""
    return next(code for code in re.findall(r"```\w+\n(.*?)```", README, re.DOTALL) if words in code)
