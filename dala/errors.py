"""What every refusal of this project is: one sentence for the person who asked."""

__all__ = ["DalaError"]


class DalaError(ValueError):
    """Base of all errors that the app and the command line show as they are; any other exception is a bug."""
