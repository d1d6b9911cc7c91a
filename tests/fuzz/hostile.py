"""What a hostile visitor sends, and what he may never get back."""

import json
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

ROOT = Path(__file__).resolve().parent.parent.parent
META = {"_type": "gradio.FileData"}
OURS = (f"{ROOT}/app.py", f"{ROOT}/weights/config.json")
TRAVERSALS = (
    "/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd",
    "..%252f..%252fetc%252fpasswd", "....//....//etc/passwd", "/proc/self/environ", "file:///etc/passwd",
    "//etc/passwd", "..\\..\\etc\\passwd", "%5c..%5c..%5cetc%5cpasswd", "%00", "x%00.png", "~/.bashrc", ".",
    "C:/Windows/win.ini",
    *OURS, "http://127.0.0.1:9/x", "HTTPS://127.0.0.1:9/x", "a" * 5000,
    "<script>alert(1)</script>", "\N{SNOWMAN}",
)  # fmt: skip
# The server's files, folders and code. Its uploads are named by their paths, as Gradio does: a digest no one can guess.
SECRET = re.compile(
    "|".join([*(re.escape(w) for w in {str(ROOT), sys.prefix, sys.base_prefix + "/lib", str(Path.home()) + "/."}),
              "site-packages", "Traceback", r'File \\?"', "root:x:", "gradio/routes", "HF_TOKEN", "PATH="])
)  # fmt: skip
# A visitor's own handle, which a sentence may cut.
UPLOADED = re.compile(re.escape(get_upload_folder()) + r"/([\da-f]{64}/[^/\"]+|[\da-f]{8,64}(?![\da-f/]))")
TEMPORARY = re.compile("|".join(re.escape(w) for w in {get_upload_folder(), tempfile.gettempdir() + "/"}))


def leak(text: str, *given: str) -> str | None:
    """What a body or header tells of the server, where it is not what the visitor gave himself."""
    for part in filter(None, given):
        text = text.replace(part, "").replace(json.dumps(part)[1:-1], "")
    found = SECRET.search(text) or TEMPORARY.search(UPLOADED.sub("", text))
    return text[max(0, found.start() - 60) : found.end() + 60] if found else None


def value(rng: random.Random, uploaded: str) -> Any:
    """Anything but what is asked for, or nearly that."""
    path = rng.choice(
        [*TRAVERSALS, uploaded, f"{uploaded}/../../x", f"{uploaded}/../..", "data:image/png;base64,AAAA", "", 3, None]
    )
    return rng.choice(
        [
            lambda: rng.choice([None, True, False, 0, -1, 1.5, 1e308, -1e308, 5e-324, 2**31, 2**63, -(2**64), 10**400]),
            lambda: rng.choice([float("nan"), float("inf"), float("-inf")]),
            lambda: rng.choice(
                ["", " ", "\0", "\ud800", "1e999", "NaN", "null", "{{7*7}}", "${7*7}", "%s%n", "\u202e"]
            ),
            lambda: rng.choice(["<img src=x onerror=alert(1)>", "'; DROP TABLE x", "__class__", "a" * 10**5, "٣"]),
            lambda: rng.choice(["grad_cam", "malignant", "otsu", "layer4", "for", "100X", "user/repo", "../../repo"]),
            lambda: rng.choice([[], [[]], {}, [None], [{}], [[1, -1]], [[1, float("nan")]], [0] * 5000, ["grad_cam"]]),
            lambda: nested(rng.choice([3, 60, 400]), rng.random() < 0.5),
            lambda: path,
            lambda: {"path": path, "meta": META},
            lambda: {"path": path, "url": "http://127.0.0.1:9/x.png", "orig_name": path, "size": -1, "is_stream": True},
            lambda: {"url": path, "meta": META},
            lambda: {"is_file": True, "data": path, "name": path},
            lambda: {"video": {"path": path}, "image": {"path": path}, "headers": [path], "data": [[path]]},
            lambda: {"__type__": "update", "value": path, "choices": [path]},
            lambda: [[{"path": path, "meta": META}, path]],
            lambda: {"index": value(rng, uploaded), "value": path, "selected": True},
        ]
    )()


def nested(depth: int, objects: bool) -> Any:
    """Lists in lists, or objects in objects."""
    inner: Any = []
    for _ in range(depth):
        inner = {"path": inner} if objects else [inner]
    return inner


def chosen(rng: random.Random, uploaded: str) -> Any:
    """What came with an event, as the page's script sends it but for some parts; or anything."""
    told: dict[str, Any] = {
        "index": 0, "value": "x", "rule": "otsu", "strength": 0.5, "palette": "viridis", "opacity": 0.5,
        "look": "lamp", "cut": True, "shared": False, "level": False, "run": 1, "baseline": "mean", "controls": False,
        "scale": "probability", "strengths": {"mean_std": 1.0, "otsu": None, "percentile": 90, "share_of_max": 0.5},
    }  # fmt: skip
    for name in rng.sample(list(told), rng.randint(1, 4)):
        told[name] = value(rng, uploaded)
    for name in rng.sample(list(told), rng.choice([0, 0, 3])):
        del told[name]
    return rng.choice([told, told, told, value(rng, uploaded)])


def bodies(rng: random.Random) -> list[tuple[str, bytes]]:
    """Content types and bodies that are no well-formed request of any route."""
    part = b'--x\r\nContent-Disposition: form-data; name="files"'
    joined = {"data": [], "session_hash": "s", "fn_index": rng.choice([-1, 999, 10**30]), "event_id": "e"}
    texts = [
        b"", b"{", b"[]", b"null", b"{}", b"NaN", b'{"data": []}', b"\xff\xfe\x00", b'{"data": {}, "fn_index": "x"}',
        b'{"data": [1], "fn_index": 1e400, "session_hash": 3}', b"[" * 10**5, b'{"a":' * 10**5, b"9" * 5000,
        json.dumps(joined).encode(), b'{"data": ["\\ud800"], "fn_index": 3, "session_hash": "\\ud800"}',
        b'{"data": [], "fn_index": 3, "session_hash": ""}', b'{"data": [], "data": [], "batched": true, "fn_index": 3}',
    ]  # fmt: skip
    forms = [
        b"", b"garbage", b"--x--", b"--x\r\n\r\nhi\r\n--x--", part + b"\r\n\r\nhi\r\n--x--",
        *(part + b'; filename="' + name + b'"\r\n\r\nhi\r\n--x--' for name in (b"..", b"/etc/passwd", b"", b"\xff",
          b"a" * 7000, b"<img src=x onerror=alert(1)>.svg", b"..%2f..%2fx", b"x\0.png", b"CON", b"a/../../b")),
        part + b"\r\n" + b"X: " + b"y" * 9000 + b"\r\n\r\nhi\r\n--x--", (part + b"\r\n\r\nhi\r\n") * 1100 + b"--x--",
    ]  # fmt: skip
    kinds = ["application/json", "text/plain", "application/x-www-form-urlencoded", "\xe9", ""]
    return [(rng.choice(kinds) if rng.random() < 0.3 else kinds[0], text) for text in texts] + [
        (rng.choice(["multipart/form-data; boundary=x", "multipart/form-data; boundary=x; charset=zz"]), form)
        for form in forms
    ]
