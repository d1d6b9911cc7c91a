"""The folder of a Hugging Face Space: the app, its requirements, and a README with the platform's front matter."""

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

__all__ = ["HARDWARE", "OWNED", "VARIABLES", "SpaceError", "check", "pin", "requirements", "validate", "write"]

# The Hub's names: a free CPU, and ZeroGPU, which attaches a GPU to single calls.
HARDWARE = ("cpu-basic", "zero-a10g")
# A Space turns server-side rendering on, and `launch(ssr_mode=False)` does not turn it off.
VARIABLES = {"GRADIO_SSR_MODE": "false"}
OWNED = ("dala/*", "examples/*", "weights/*", PIN)
# Caches, and stubs that Gradio generates for custom components.
LEFT_OUT = ("__pycache__", "*.pyc", "*.pyi", ".*")
FILES, FOLDERS = ("app.py", "LICENSE"), ("dala", "examples")
COMMIT = re.compile(r"[0-9a-f]{40}")
# ZeroGPU's versions of torch, each with the version of torchvision that was built for it.
ZERO_GPU = {"2.8.0": "0.23.0", "2.9.1": "0.24.1", "2.10.0": "0.25.0", "2.11.0": "0.26.0"}
CPU_WHEELS = """\
# The CPU build of torch, without gigabytes of CUDA; remove this line on a machine with a GPU.
--extra-index-url https://download.pytorch.org/whl/cpu
"""
PINNED = "# ZeroGPU supports only these versions of torch: {}.\n"

HUB_ID = r"[\w.-]+/[\w.-]+"


class SpaceError(DalaError):
    """A Space that cannot be written, or whose front matter is not valid; the message says why."""


def write(out: Path, model: str | None = None, hardware: str = HARDWARE[0], root: Path = ROOT) -> list[str]:
    """Write the folder of a Space.

    It holds `app.py`, the package, `examples/`, the shipped `weights/` with their card, `requirements.txt`, `LICENSE`
    and a `README.md` with the platform's front matter; for a network from the Hub also `space.json`, which
    `dala.publishing.pinned` reads, and in the front matter the files that are downloaded while the Space is built.

    Args:
        out: a folder that is new or empty.
        model: "user/repo@commit" as `pin` returns it; None for the shipped weights.
        hardware: one of `HARDWARE`.
        root: the project's folder.

    Returns:
        Notes for the person who publishes, as sentences.

    Raises:
        SpaceError: `root` is not the project's folder, `out` is not empty, or the front matter is not valid.
        WeightsError, PublishError: shipped weights that cannot be published.
    """
    missing = [name for name in (*FILES, *FOLDERS, "requirements.txt", "README.md") if not (root / name).exists()]
    if missing:
        raise SpaceError(f"{root}: has no {missing[0]}; run this command in the project's own folder.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SpaceError(f"{out}: exists and is not empty; name a new folder, or empty this one.")
    try:
        _write_files(out, model, hardware, root)
    except OSError as error:
        raise SpaceError(f"{error.filename or out}: {error.strerror}.") from error
    check(out)
    return [f"weights/{note}" for note in model_folder.prepare(pretrained.SHIPPED, out / "weights")]


def _write_files(out: Path, model: str | None, hardware: str, root: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(root / name, out / name)
    for name in FOLDERS:
        shutil.copytree(root / name, out / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    if model:
        (out / PIN).write_text(json.dumps({"model": model}) + "\n", encoding="utf-8")
    lines = requirements((root / "requirements.txt").read_text(encoding="utf-8"), hardware)
    (out / "requirements.txt").write_text(lines, encoding="utf-8")
    readme = _readme((root / "README.md").read_text(encoding="utf-8"), model, hardware)
    (out / "README.md").write_text(readme, encoding="utf-8")


def pin(model: str, api: HfApi | None) -> str:
    """Resolve a network on the Hub to "user/repo@commit", so that a Space keeps running the same weights.

    Args:
        model: "user/repo" or "user/repo@revision".
        api: resolves the revision and checks that the repository holds weights; None makes no request and accepts
            only a commit.

    Raises:
        SpaceError: not a Hub id, no commit where `api` is None, or a repository without weights.
        UploadError: the Hub does not answer.
    """
    repo, _, revision = model.partition("@")
    if not re.fullmatch(HUB_ID, repo) or Path(model).exists():
        raise SpaceError(f"{model}: a Space needs a network on the Hub; publish it, then name it as user/repo@commit.")
    if api is None:
        if not COMMIT.fullmatch(revision):
            raise SpaceError(
                f"{model}: name a commit, 40 hexadecimal digits after the @, since a dry run makes no request."
            )
        return model
    with upload.sentences(repo, api):
        info = api.model_info(repo, revision=revision or None)
    missing = {serialization.FILE, serialization.CONFIG} - {file.rfilename for file in info.siblings or ()}
    if missing or not info.sha:
        raise SpaceError(f"{model}: has no {', '.join(sorted(missing))}; name a repository that `dala publish` filled.")
    return f"{repo}@{info.sha}"


def requirements(text: str, hardware: str) -> str:
    """Adapt the project's `requirements.txt` to a kind of hardware."""
    if hardware == "zero-a10g":
        torch, vision = list(ZERO_GPU.items())[-1]
        exact = {"torch": f"torch=={torch}", "torchvision": f"torchvision=={vision}"}
        lines = [exact.get(_name(line), line) for line in text.splitlines()]
        return PINNED.format(", ".join(ZERO_GPU)) + "\n".join(lines) + "\n"
    return CPU_WHEELS + text


def check(folder: Path) -> dict[str, Any]:
    """Read the front matter of a folder's `README.md`, and check it against the folder, without a request.

    `validate` checks everything else.

    Raises:
        SpaceError: front matter that cannot be read, or that does not fit the folder.
    """
    file = folder / "README.md"
    data = _read_card(file).data.to_dict()
    needed, sdk = _requirement(folder / "requirements.txt", "gradio"), data.get("sdk_version")
    app_file, hardware = str(data.get("app_file", "app.py")), data.get("suggested_hardware", HARDWARE[0])
    rules = {
        f"app_file {app_file} does not exist": (folder / app_file).is_file(),
        f"sdk_version must be text, in quotes, and fit {needed}": isinstance(sdk, str) and _fits(needed, sdk),
        f"suggested_hardware must be one of {', '.join(HARDWARE)}": hardware in HARDWARE,
    }
    problems = [rule for rule, holds in rules.items() if not holds]
    if problems:
        raise SpaceError(f"{file}: {'; '.join(problems)}.")
    return data


def validate(folder: Path, space: str, api: HfApi) -> None:
    """Let the Hub validate the front matter of a folder's `README.md`, before a Space is created.

    Args:
        folder: see `write`.
        space: "user/name", for the message.
        api: the client; the request goes to the endpoint that `HF_ENDPOINT` names.

    Raises:
        UploadError: the Hub refuses the front matter, or does not answer.
    """
    card = _read_card(folder / "README.md")
    with upload.sentences(space, api):
        card.validate()


def _read_card(file: Path) -> SpaceCard:
    try:
        return SpaceCard(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, YAMLError) as error:
        raise SpaceError(f"{file}: its front matter cannot be read: {' '.join(str(error).split())}.") from error


def _fits(requirement: Requirement, release: str) -> bool:
    try:
        return requirement.specifier.contains(release)
    except InvalidVersion:
        return False


def _readme(text: str, model: str | None, hardware: str) -> str:
    data = SpaceCard(text).data.to_dict() | {"sdk_version": version("gradio"), "suggested_hardware": hardware}
    runs = "It runs the weights in [weights/](weights/README.md)."
    if model:
        repo, _, commit = model.partition("@")
        data |= {"models": [repo], "preload_from_hub": [f"{repo} {serialization.FILE},{serialization.CONFIG} {commit}"]}
        runs = (
            f"It runs [{repo}](https://huggingface.co/{repo}) at commit `{commit}`, or if that cannot be loaded the "
            "weights in [weights/](weights/README.md); the page says which."
        )
    about = f"{data['short_description']}: Grad-CAM and DT Grad-CAM of DALAResNet50, side by side."
    warning = "For teaching and research, **not for diagnosis**."
    front = SpaceCardData(**data).to_yaml()
    return f"---\n{front}\n---\n\n# {data['title']}\n\n{about}\n{warning}\n\n{runs}\n"


def _requirement(file: Path, package: str) -> Requirement:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for line in lines:
        if _name(line) == package:
            return Requirement(line)
    raise SpaceError(f"{file}: does not list {package}; add it.")


def _name(line: str) -> str:
    try:
        return Requirement(line).name
    except InvalidRequirement:  # a comment, an option, an empty line
        return ""
