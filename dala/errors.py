"""What every refusal of this project is: one sentence for the person who asked."""

__all__ = ["DalaError"]

MOST = 600


class DalaError(ValueError):
    """Base of all errors that the app and the command line show as they are; any other exception is a bug.

    Its message is one line: names of files, classes and columns come into it from anywhere, and would else break lines,
    or steer a terminal. A longer one than `MOST` characters loses its middle.
    """

    def __str__(self) -> str:
        text = " ".join(super().__str__().split())
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
        return text if len(text) <= MOST else f"{text[: MOST // 2]} … {text[-MOST // 2 :]}"
