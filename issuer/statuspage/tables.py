"""Tables with explicit roles, as a narrow screen lays cells out as blocks, which hides the table. Pure."""

from __future__ import annotations

from issuer.statuspage.html import Html, Part, tag


def table(caption: str, heads: tuple[str, ...], rows: list[Html], class_: str) -> Html:
    """Return a table with a caption for those who don't see it."""
    return tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag(
            "thead",
            tag("tr", *(tag("th", one, scope="col", role="columnheader") for one in heads), role="row"),
            role="rowgroup",
        ),
        tag("tbody", *rows, role="rowgroup"),
        class_=class_,
        role="table",
    )


def command(text: str, what: str) -> Html:
    """Return a command, with a button that copies it where scripts run; `what` it is about is read aloud."""
    return tag(
        "p",
        tag("code", text),
        tag("button", "Copy", type="button", class_="copy", aria_label=f"Copy the command for {what}"),
        class_="command",
    )


def row(key: str, *cells: tuple[str, Part]) -> Html:
    """Return a row of cells, each with its column's name; `key` tells rows apart when the browser renews
    them."""
    return tag(
        "tr",
        *(tag("td", tag("div", value), data_label=label, role="cell") for label, value in cells),
        data_key=key,
        role="row",
    )
