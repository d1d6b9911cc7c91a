"""The base class of all errors that users see: one sentence each."""

__all__ = ["DalaError"]

MOST = 600  # characters of a message


class DalaError(ValueError):
    """Base of all errors that the app and the command line show as they are; any other exception is a bug.

    The message says what is wrong, then what to do. It is printed as one line: file, class and column names in it come
    from untrusted input and could otherwise break lines or send control sequences to a terminal. The middle of a
    message longer than `MOST` characters is left out.

    Attributes:
        hint: options of the command line that help; only the command line shows them.
    """

    hint: str = ""

    def __str__(self) -> str:
        text = " ".join(super().__str__().split())
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
        return text if len(text) <= MOST else f"{text[: MOST // 2]} … {text[-MOST // 2 :]}"
