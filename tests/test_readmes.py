"""The code in the READMEs runs, and their commands have the options that they name."""

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from dala.cam import METHODS
from dala.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
READMES = sorted(p for top in ("dala", "tests", "examples") for p in (ROOT / top).rglob("README.md"))
READMES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *READMES]
BLOCKS = [(p, code) for p in READMES for code in re.findall(r"```python\n(.*?)```", p.read_text("utf-8"), re.DOTALL)]
# Against a running app: `app/test_api.py` runs them.
APP = [(p, code) for p, code in BLOCKS if "client" in code]


def commands(text: str) -> list[list[str]]:
    """The arguments of every `dala` command that stands on an indented line, continuation lines joined."""
    lines = re.findall(r"^    (.+)$", text.replace("\\\n", " "), re.MULTILINE)
    found = (re.search(r"(?:python -m|^) ?dala (?!explanations|laboratories)([a-z-]+ .*)", line) for line in lines)
    return [shlex.split(match[1], comments=True) for match in found if match]


# CONTRIBUTING's commands name the method and the rule that it adds: `test_contributing.py` runs them.
COMMAND_LINES = [
    (p, args) for p in READMES if p.parent != ROOT or p.stem == "README" for args in commands(p.read_text("utf-8"))
]


@pytest.mark.parametrize(("readme", "code"), [b for b in BLOCKS if b not in APP and "dala" in b[1]])
def test_the_code_runs(readme, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    methods = dict(METHODS)
    try:
        exec(compile(code, str(readme), "exec"), {"__name__": "readme"})
    finally:  # an example that registers a method leaves none behind
        METHODS.clear()
        METHODS.update(methods)


def test_what_needs_a_running_app_is_in_the_readme_of_the_page():
    assert {p.relative_to(ROOT).as_posix() for p, _ in APP} == {"dala/ui/README.md"}


@pytest.mark.parametrize(("readme", "arguments"), COMMAND_LINES, ids=[" ".join(a)[:60] for _, a in COMMAND_LINES])
def test_the_commands_are_accepted(readme, arguments):
    if arguments[0] == "evaluate" and "-".join(arguments[:2]) in COMMANDS:
        arguments = ["-".join(arguments[:2]), *arguments[2:]]
    assert arguments[0] in COMMANDS
    parser = argparse.ArgumentParser()
    import_module(f"dala.commands.{arguments[0].replace('-', '_')}").add_arguments(parser)
    parser.parse_args(arguments[1:])


def test_no_link_is_broken():
    for readme in READMES:
        for target in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", readme.read_text("utf-8")):
            assert (readme.parent / target).exists(), f"{readme}: {target}"
