"""Tables of the site: each cell knows its column, so that a narrow screen can show a row as a list.

The style sheet lays cells out as blocks there, which hides the table from screen readers: roles keep it one.
"""

from __future__ import annotations

import re
from html import escape, unescape

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
_HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
_CELL = re.compile(r"<td\b")
_ROLES = {
    "<table>": '<table role="table">',
    "<thead>": '<thead role="rowgroup">',
    "<tbody>": '<tbody role="rowgroup">',
    "<tr>": '<tr role="row">',
    "<th": '<th role="columnheader"',
    "<td": '<td role="cell"',
}


def labelled(html: str) -> str:
    """Return a page's HTML with `data-label` and `role` on the cells of its tables."""
    return _TABLE.sub(lambda table: _with_roles(_with_labels(table[0])), html)


def _with_labels(table: str) -> str:
    heads = [unescape(re.sub(r"<[^>]*>", "", one)).strip() for one in _HEAD.findall(table)]

    def row(found: re.Match[str]) -> str:
        labels = iter(heads)
        return _CELL.sub(lambda _: _cell(next(labels, "")), found[0])

    return _ROW.sub(row, table)


def _cell(label: str) -> str:
    return f'<td data-label="{escape(label)}"' if label else "<td"


def _with_roles(table: str) -> str:
    return re.sub(r"<(?:table|thead|tbody|tr)>|<t[hd]\b", lambda found: _ROLES[found[0]], table)
