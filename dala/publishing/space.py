"""The app's folder as a Hugging Face Space: what runs there, nothing else, and a README that the platform accepts."""

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, SpaceCard, SpaceCardData
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion
from yaml import YAMLError

from dala.errors import DalaError
from dala.hub import upload
from dala.models import pretrained, serialization
from dala.publishing import model_folder
from dala.publishing.pinned import PIN, ROOT

__all__ = ["HARDWARE", "OWNED", "VARIABLES", "SpaceError", "check", "pin", "requirements", "write"]

# The one that costs nothing and needs no GPU, and the one whose GPU is lent; by the Hub's names.
HARDWARE = ("cpu-basic", "zero-a10g")
# On a Space the platform turns server-side rendering on, and `launch(ssr_mode=False)` does not turn it off.
VARIABLES = {"GRADIO_SSR_MODE": "false"}
OWNED = ("dala/*", "examples/*", "weights/*", PIN)
# Caches, and what Gradio writes beside a component of our own.
LEFT_OUT = ("__pycache__", "*.pyc", "*.pyi", ".*")
FILES, FOLDERS = ("app.py", "LICENSE"), ("dala", "examples")
COMMIT = re.compile(r"[0-9a-f]{40}")
# Version of torchvision by ZeroGPU's versions of torch; each is built for that one alone.
ZERO_GPU = {"2.8.0": "0.23.0", "2.9.1": "0.24.1", "2.10.0": "0.25.0", "2.11.0": "0.26.0"}
CPU_WHEELS = """\
# The processor's build of torch, without the gigabytes of CUDA; on a machine with a GPU this line is not wanted.
--extra-index-url https://download.pytorch.org/whl/cpu
"""
PINNED = "# ZeroGPU takes these versions of torch and no others: {}.\n"

COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
LONGEST = 60  # characters of the short description
NEEDED = ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file",
          "short_description", "license")  # fmt: skip
KNOWN = {*NEEDED, "pinned", "tags", "models", "datasets", "preload_from_hub", "suggested_hardware", "fullWidth",
         "header", "thumbnail", "startup_duration_timeout", "disable_embedding"}  # fmt: skip
HUB_ID = r"[\w.-]+/[\w.-]+"
FORMS = {
    "sdk": ("gradio", "gradio"),
    "sdk_version": (r"\d+\.\d+\.\d+", "a version such as 6.31.0"),
    "python_version": (r"3\.\d+(\.\d+)?", "3.x or 3.x.x"),
    "short_description": (rf".{{1,{LONGEST}}}", f"one line of at most {LONGEST} characters"),
}
LISTS = {
    "tags": (r".+", "a word"),
    "models": (HUB_ID, "like user/repo"),
    "datasets": (HUB_ID, "like user/repo"),
    "preload_from_hub": (
        rf"{HUB_ID}( [\w./-]+(,[\w./-]+)*( {COMMIT.pattern})?)?",
        "like user/repo file,file commit, a commit being 40 hexadecimal digits",
    ),
}


class SpaceError(DalaError):
    """A Space that cannot be written as asked, or that the platform would refuse; the message says why."""


def write(out: Path, model: str | None = None, hardware: str = HARDWARE[0], root: Path = ROOT) -> list[str]:
    """Write the folder of a Space.

    It holds `app.py`, the package, `examples/`, the shipped `weights/` with their card, `requirements.txt`, `LICENSE`
    and a `README.md` with the platform's front matter; for a network from the Hub also `space.json`, which
    `dala.publishing.pinned` reads, and in the front matter what is to be downloaded while the Space is built.

    Args:
        out: a folder that is new or empty.
        model: "user/repo@commit" as `pin` returns it; None for the shipped weights.
        hardware: one of `HARDWARE`.
        root: the project's folder.

    Returns:
        What the person who publishes should know, in sentences.

    Raises:
        SpaceError: not the project's own folder, a folder that is not empty, or front matter that is not valid.
        WeightsError, PublishError: shipped weights that cannot be published.
    """
    lacking = [name for name in (*FILES, *FOLDERS, "requirements.txt", "README.md") if not (root / name).exists()]
    if lacking:
        raise SpaceError(f"{root}: has no {lacking[0]}; a Space is made of the project's own folder.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SpaceError(f"{out}: is there already and not empty; name a new folder, or empty this one.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(root / name, out / name)
        for name in FOLDERS:
            shutil.copytree(root / name, out / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        if model:
            (out / PIN).write_text(json.dumps({"model": model}) + "\n", encoding="utf-8")
        needs = requirements((root / "requirements.txt").read_text(encoding="utf-8"), hardware)
        (out / "requirements.txt").write_text(needs, encoding="utf-8")
        readme = _readme((root / "README.md").read_text(encoding="utf-8"), model, hardware)
        (out / "README.md").write_text(readme, encoding="utf-8")
    except OSError as error:
        raise SpaceError(f"{error.filename or out}: {error.strerror}.") from error
    check(out)
    return [f"weights/{note}" for note in model_folder.prepare(pretrained.SHIPPED, out / "weights")]


def pin(model: str, api: HfApi | None) -> str:
    """A network on the Hub as "user/repo@commit", so that what runs is what was chosen.

    Args:
        model: "user/repo", "user/repo@revision".
        api: asked which commit that is, and whether it holds weights; None asks nobody and takes a commit alone.

    Raises:
        SpaceError: no Hub id; no commit where nobody can be asked; a repository without weights. UploadError: the Hub
            does not answer.
    """
    repo, _, revision = model.partition("@")
    if not re.fullmatch(HUB_ID, repo) or Path(model).exists():
        raise SpaceError(
            f"{model}: a Space takes a network from the Hub: publish it, then name it as user/repo@commit."
        )
    if api is None:
        if not COMMIT.fullmatch(revision):
            raise SpaceError(
                f"{model}: name a commit, 40 hexadecimal digits after the @; a dry run asks nobody for it."
            )
        return model
    with upload.sentences(repo, api):
        told = api.model_info(repo, revision=revision or None)
    lacking = {serialization.FILE, serialization.CONFIG} - {file.rfilename for file in told.siblings or ()}
    if lacking or not told.sha:
        raise SpaceError(f"{model}: holds no {', '.join(sorted(lacking))}.")
    return f"{repo}@{told.sha}"


def requirements(text: str, hardware: str) -> str:
    """The project's requirements as a kind of hardware wants them."""
    if hardware == "zero-a10g":
        torch, vision = list(ZERO_GPU.items())[-1]
        exact = {"torch": f"torch=={torch}", "torchvision": f"torchvision=={vision}"}
        lines = [exact.get(_name(line), line) for line in text.splitlines()]
        return PINNED.format(", ".join(ZERO_GPU)) + "\n".join(lines) + "\n"
    return CPU_WHEELS + text


def check(folder: Path) -> dict[str, Any]:
    """The front matter of a folder's `README.md`, if the platform accepts it.

    Raises:
        SpaceError: what is missing, of the wrong kind, or out of range, after Hugging Face's reference of it.
    """
    file = folder / "README.md"
    try:
        told = SpaceCard(file.read_text(encoding="utf-8")).data.to_dict()
    except (OSError, ValueError, TypeError, YAMLError) as error:
        raise SpaceError(f"{file}: its front matter cannot be read: {' '.join(str(error).split())}.") from error
    wrong = [
        *(f"{key} is missing" for key in NEEDED if key not in told),
        *(f"{key} must be text, in quotes" for key in NEEDED if not isinstance(told.get(key, ""), str)),
        *(f"{key} is nothing that the platform reads" for key in told.keys() - KNOWN),
    ]
    wrong = wrong or _wrong(told, folder)
    if wrong:
        raise SpaceError(f"{file}: {'; '.join(sorted(wrong))}.")
    return told


def _wrong(told: dict[str, Any], folder: Path) -> list[str]:
    wanted = _requirement(folder / "requirements.txt", "gradio")
    rules = [
        (f"{key} must be one of {', '.join(COLOURS)}", told[key] in COLOURS) for key in ("colorFrom", "colorTo")
    ] + [(f"{key} must be {words}", re.fullmatch(form, told[key]) is not None) for key, (form, words) in FORMS.items()]
    rules += [
        (f"{key} must be a list, each {words}", _all_match(form, told.get(key, [])))
        for key, (form, words) in LISTS.items()
    ]
    rules += [
        ("emoji must be one emoji", 0 < len(told["emoji"]) <= 8 and not told["emoji"].isascii()),
        (f"sdk_version must fit {wanted}", _fits(wanted, told["sdk_version"])),
        (f"app_file {told['app_file']} is not there", (folder / told["app_file"]).is_file()),
        ("suggested_hardware is none of ours", told.get("suggested_hardware", HARDWARE[0]) in HARDWARE),
    ]
    return [words for words, holds in rules if not holds]


def _all_match(form: str, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(v, str) and re.fullmatch(form, v) for v in values)


def _fits(wanted: Requirement, given: str) -> bool:
    try:
        return wanted.specifier.contains(given)
    except InvalidVersion:
        return False


def _readme(text: str, model: str | None, hardware: str) -> str:
    told = SpaceCard(text).data.to_dict() | {"sdk_version": version("gradio"), "suggested_hardware": hardware}
    runs = "It runs the weights in [weights/](weights/README.md)."
    if model:
        repo, _, commit = model.partition("@")
        told |= {"models": [repo], "preload_from_hub": [f"{repo} {serialization.FILE},{serialization.CONFIG} {commit}"]}
        runs = (
            f"It runs [{repo}](https://huggingface.co/{repo}) at commit `{commit}`, or if that cannot be loaded the "
            "weights in [weights/](weights/README.md); the page says which."
        )
    about = f"{told['short_description']}: Grad-CAM and DT Grad-CAM of DALAResNet50, side by side."
    warning = "For teaching and research, **not for diagnosis**."
    front = SpaceCardData(**told).to_yaml()
    return f"---\n{front}\n---\n\n# {told['title']}\n\n{about}\n{warning}\n\n{runs}\n"


def _requirement(file: Path, package: str) -> Requirement:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for line in lines:
        if _name(line) == package:
            return Requirement(line)
    raise SpaceError(f"{file}: names no {package}.")


def _name(line: str) -> str:
    try:
        return Requirement(line).name
    except InvalidRequirement:  # a comment, an option, an empty line
        return ""
