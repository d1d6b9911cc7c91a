"""Parts of Gradio's frontend that this page never uses are answered by empty modules, which a browser loads sooner."""

import re
from functools import lru_cache
from pathlib import Path

import gradio
from starlette.responses import Response

__all__ = ["UNUSED", "without"]

# The player of streamed videos: 156 KB of the first load, which the gallery of samples asks for.
UNUSED = re.compile(r"/assets/(hls-[\w-]+\.js)")
_FOLDER = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
_EXPORTS = re.compile(r"export\s*\{([^}]*)\}\s*;?\s*\Z")


def without(path: str) -> Response | None:
    """The answer in place of an unused part, which exports the same names; None for any other path."""
    name = UNUSED.fullmatch(path)
    text = _empty(_FOLDER / name[1]) if name else ""
    return Response(text, media_type="text/javascript") if text else None


@lru_cache(maxsize=8)
def _empty(file: Path) -> str:
    """A module with the exports of another, all undefined; empty if there is no such file."""
    exports = _EXPORTS.search(file.read_text(encoding="utf-8")) if file.is_file() else None
    names = [part.split()[-1] for part in exports[1].split(",")] if exports else []
    lines = [f"const _{k} = undefined; export {{_{k} as {name}}};" for k, name in enumerate(names)]
    return "\n".join(lines)
