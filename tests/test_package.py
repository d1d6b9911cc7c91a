"""The package: what it declares, and that its wheel works in an environment where the project's folder is not."""

import ast
import email
import json
import os
import re
import shutil
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dala

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
# Imported only where it is installed: the platform of ZeroGPU brings it.
OPTIONAL = {"spaces"}
# Declared, but imported by another package: torch.utils.tensorboard.
INDIRECT = {"tensorboard"}
# Ends the process at the first attempt to reach a network, which no `except` can hide.
NO_NETWORK = """\
import os, sys

def refuse(event, _):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os._exit(97)

sys.addaudithook(refuse)
"""


def run(*command, cwd):
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DALA_MODEL")}
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=kept, capture_output=True, text=True, timeout=280
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def project_files(*places):
    """The files of the project that Git tracks or would track."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *places)
    return sorted({name for name in run(*command, cwd=ROOT).split("\0") if name and (ROOT / name).is_file()})


def test_every_room_lists_its_modules():
    for init in (ROOT / "dala").glob("*/**/__init__.py"):
        modules = {file.stem for file in init.parent.glob("*.py") if file != init}
        modules |= {file.parent.name for file in init.parent.glob("*/__init__.py")}
        listed = re.findall(
            r"^- `(\w+)`: .", ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), re.MULTILINE
        )
        assert sorted(listed) == sorted(modules), init


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The folder of the unpacked sdist, built without a network from the project's own files."""
    folder = tmp_path_factory.mktemp("sdist")
    source = folder / "source"
    for name in project_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        # Compressing the network takes 15 s, and its bytes come from the project below.
        content = b"" if name.endswith(".safetensors") else (ROOT / name).read_bytes()
        (source / name).write_bytes(content)
    (source / "dala" / "ui" / "generated.pyi").touch()  # as Gradio writes them
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, cwd=source)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder, filter="data")
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    shutil.copyfile(ROOT / "weights" / "model.safetensors", unpacked / "weights" / "model.safetensors")
    return unpacked


@pytest.fixture(scope="module")
def wheel(sdist):
    """The wheel, built from the sdist, uncompressed."""
    stored = "--config-setting=--build-option=--compression=stored"
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", stored, "--outdir", sdist.parent, cwd=sdist)
    (file,) = sdist.parent.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of programs of a virtual environment with the wheel, the packages it needs, and no network."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=os.name != "nt")
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # torch and the others take minutes to install: the new environment reads them where the tests have them.
    (Path(purelib) / "tested.pth").write_text("\n".join([*site.getsitepackages(), "import no_network"]))
    (Path(purelib) / "no_network.py").write_text(NO_NETWORK)
    return binaries


def names(requirements):
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def listed(file):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


def imported():
    """The modules that the app and the package import, also inside functions, each with the packages it may be from."""
    modules = set()
    for name in project_files("dala", "app.py"):
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules.add(node.module)
    tops = {module.partition(".")[0] for module in modules} - {*sys.stdlib_module_names, "dala"}
    distributions = packages_distributions()
    return {top: {canonicalize_name(name) for name in distributions.get(top, [top])} for top in tops}


@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-train.txt", PROJECT["optional-dependencies"]["train"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_requirements_files_and_pyproject_list_the_same(file, declared):
    assert listed(file) == [line for line in declared if not line.startswith("dala[")]


def test_every_import_is_declared():
    declared = names(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"])
    undeclared = {module for module, packages in imported().items() if not packages & declared}
    assert undeclared - OPTIONAL == set()


def test_every_declared_package_is_imported():
    declared = names(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"])
    assert declared - set().union(*imported().values()) - INDIRECT == set()


def test_public_names_are_the_ones_that_type_checkers_see():
    tree = ast.parse((ROOT / "dala" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {node.names[0].name: node.module for node in block.body if isinstance(node, ast.ImportFrom)}
    assert typed == dala._MODULES
    for name in dala.__all__:
        assert getattr(dala, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        dala.magic  # noqa: B018


def test_there_is_one_version(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (file,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(file))
    assert metadata["Version"] == dala.__version__
    assert f"\nversion: {dala.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[?([\d.]+)", changes, re.MULTILINE)[0] == dala.__version__


def test_the_wheel_holds_every_file_of_the_package_and_the_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        shipped = {name for name in project_files("weights") if not name.endswith(".sh")}
        assert held == {*project_files("dala"), *(name.replace("weights", "dala/shipped", 1) for name in shipped)}
        assert archive.read("dala/shipped/config.json") == (ROOT / "weights" / "config.json").read_bytes()


def test_the_installed_command_explains_as_the_project_does_without_a_network(installed, patch_file, tmp_path):
    methods = ("--methods", "grad_cam", "layer_cam")
    run(installed / "dala", "explain", patch_file, "--out", tmp_path / "wheel", *methods, cwd=tmp_path)
    run(sys.executable, "-m", "dala", "explain", patch_file, "--out", tmp_path / "project", *methods, cwd=ROOT)
    wheel, project = (tmp_path / name / patch_file.stem for name in ("wheel", "project"))
    numbers = json.loads((wheel / "explanation.json").read_text(encoding="utf-8"))
    assert (numbers["model"]["source"], numbers["versions"]["dala"]) == ("shipped", dala.__version__)
    assert sorted(p.name for p in wheel.iterdir()) == sorted(p.name for p in project.iterdir())
    for name in ("grad_cam", "layer_cam"):
        np.testing.assert_array_equal(np.load(wheel / "maps.npz")[name], np.load(project / "maps.npz")[name])
        assert (wheel / f"{name}.png").read_bytes() == (project / f"{name}.png").read_bytes()


def test_the_installed_package_has_no_network_in_these_tests(installed, tmp_path):
    connect = "import socket; socket.create_connection(('127.0.0.1', 9))"
    result = subprocess.run([installed / "python", "-c", connect], cwd=tmp_path, check=False)
    assert result.returncode == 97
