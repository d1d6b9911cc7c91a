"""JSON that anybody may have written: beside weights, in a folder, from the Hub."""

import json
from pathlib import Path
from typing import Any

__all__ = ["MOST_BYTES", "read_json"]

MOST_BYTES = 20_000_000


def read_json(file: Path, most: int = MOST_BYTES) -> Any:
    """What a file of JSON holds.

    Args:
        file: UTF-8.
        most: its largest size, in bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: too large, not UTF-8, not JSON, nested too deeply, or text that no file or page can hold.
    """
    if file.stat().st_size > most:
        raise ValueError(f"larger than {most:,} bytes")
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        # Half a character, which JSON can name and nothing can write.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value
