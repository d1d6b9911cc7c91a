"""The packages of the wheel; everything else is in pyproject.toml, which cannot map a second folder into a package."""

from setuptools import find_namespace_packages, setup

# The shipped weights become dala/shipped, so that `dala explain` works after the installation without a network.
SHIPPED = {"dala.shipped": "weights"} | {f"dala.shipped.{name}": f"weights/{name}" for name in ("sources", "splits")}

# "namespace", since folders of templates and styles hold data without an __init__.py.
packages = find_namespace_packages(include=["dala", "dala.*"], exclude=["*.__pycache__"])
setup(packages=[*packages, *SHIPPED], package_dir=SHIPPED)
