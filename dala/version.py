"""The version, read by the package's metadata without an import of torch."""

__all__ = ["__version__"]

__version__ = "0.1.0"
