"""Passphrases and yeses that a command asks for on its terminal; never from arguments or the environment."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from issuer.root.certificates.keys import Passphrase


def ask_passphrase(
    files: Sequence[Path], people: int, *, new: bool = False, option: str = "--passphrase-file"
) -> Passphrase:
    """Return the passphrase of as many people, from files or from the terminal.

    A `new` one is checked and typed twice; `option` named the files. Raises RootRefusal.
    """
    from issuer.root.certificates.keys import Passphrase
    from issuer.root.errors import RootRefusal
    from issuer.root.folder import private_line
    from issuer.root.reasons import RefusalReason

    if files and len(files) != people:
        wanted = f"{people} passphrases" if people > 1 else "one passphrase"
        message = f"The key takes {wanted}; give {option} as often, the first person's first."
        raise RootRefusal(RefusalReason.WRONG_PASSPHRASE, message)
    if files:
        parts = [private_line(file) for file in files]
    else:
        parts = [
            _typed(f" {number} of {people}" if people > 1 else "", option, new=new)
            for number in range(1, people + 1)
        ]
    found = Passphrase(parts)
    if new:
        found.check()
    return found


def ask_foreign_passphrase(file: Path | None) -> Passphrase:
    """Return the passphrase of a key that another tool encrypted. Raises RootRefusal."""
    from issuer.root.certificates.keys import Passphrase
    from issuer.root.folder import private_line

    return Passphrase(
        [
            _typed(" of the key that is taken over", "--from-passphrase-file", new=False)
            if file is None
            else private_line(file)
        ]
    )


def _typed(whose: str, option: str, *, new: bool) -> str:
    from issuer.root.certificates.keys import Passphrase
    from issuer.root.errors import RootRefusal
    from issuer.root.reasons import RefusalReason

    if not sys.stdin.isatty():
        message = f"No terminal to type a passphrase on; give {option}."
        raise RootRefusal(RefusalReason.WRONG_PASSPHRASE, message)
    try:
        text = getpass.getpass(f"{'New passphrase' if new else 'Passphrase'}{whose}: ")
        if new:
            Passphrase([text]).check()  # before it is typed again, and another person's
        again = getpass.getpass(f"Again{whose}: ") if new else text
    except UnicodeDecodeError:
        message = "What was typed is not text in the terminal's encoding; set LANG=C.UTF-8, and run it again."
        raise RootRefusal(RefusalReason.WRONG_PASSPHRASE, message) from None
    if again != text:
        raise RootRefusal(RefusalReason.WRONG_PASSPHRASE, "The two differ; nothing was done. Run it again.")
    return text
