"""Text from files and certificates, made safe for a terminal; and small pieces of YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from issuer.text import escaped

_LIMIT: Final = 300


def shown(text: str, limit: int = _LIMIT) -> str:
    """Return `text` on one line, bounded, with everything unprintable (colours, bidi marks) escaped."""
    return escaped(text, limit)


def to_yaml(*documents: Mapping[str, Any]) -> str:
    """Write documents as YAML, in the order of their keys, without anchors."""
    texts = (yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=1000) for one in documents)
    return "---\n".join(texts)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Return True: people paste this, so there are no anchors."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent list items below their key, which people read better than kubectl's form."""
        super().increase_indent(flow, False)
