"""Tables of the page: quiet lines, numbers below each other, no more than that."""

__all__ = ["quiet"]


def quiet(head: list[str], body: list[list[str]]) -> str:
    """Markup of a table whose first column names the rows; the cells are markup, so that text is to be escaped."""
    heads = "".join(f"<th scope='col'>{h}</th>" for h in head)
    rows = "".join(
        f"<tr><th scope='row'>{row[0]}</th>" + "".join(f"<td>{c}</td>" for c in row[1:]) + "</tr>" for row in body
    )
    return (
        f"<div class='scroll'><table class='quiet'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
