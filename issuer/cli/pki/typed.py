"""Secrets that are typed on a terminal."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from issuer.pki.secret import SecretText


def typed_secret(question: str) -> SecretText:
    """Return what is typed, without spaces around it and without an echo. Raises BadInput.

    The echo is off before the question stands there: what is pasted at once isn't shown either.
    """
    from issuer.manifests.errors import BadInput
    from issuer.pki.secret import SecretText

    try:
        return SecretText(getpass.getpass(f"{question}: ").strip())
    except (EOFError, UnicodeDecodeError):
        raise BadInput("What was typed is no text, or the terminal ended; nothing was done") from None
