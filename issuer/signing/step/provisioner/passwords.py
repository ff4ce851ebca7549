"""Passwords of provisioners in the environment and the files of this process, as far as the operator lists
them.

For issuers of the cluster alone: whoever may write one could otherwise read what the controller holds, and
have it tried at a server of their own.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from issuer.signing.outcomes import IssuerBroken
from issuer.signing.settings import BackendSettings
from issuer.signing.step.reasons import StepIssuerReason
from issuer.text import ascii_text

_MAX_BYTES: Final = 4096
"""The most bytes of a password."""


def variable(name: str, settings: BackendSettings) -> bytes:
    """Return the value of an environment variable. Raises IssuerBroken."""
    if name not in settings.password_variables:
        raise IssuerBroken(
            StepIssuerReason.PASSWORD_NOT_ALLOWED,
            f"spec.provisioner.passwordEnv: the controller may not read the variable {name}: list it with "
            "--password-variable (chart: clusterIssuers.passwordVariables)",
        )
    value = os.environ.get(name)
    if not value:
        raise IssuerBroken(
            StepIssuerReason.PASSWORD_NOT_FOUND,
            f"spec.provisioner.passwordEnv: the controller has no variable {name}: set it in its pod",
        )
    return os.fsencode(value)


def file(name: str, settings: BackendSettings) -> bytes:
    """Return the content of a file in one of the listed folders. Raises IssuerBroken.

    Links are followed before, as Secrets are mounted by them: what counts is where they lead.
    """
    try:
        path = Path(os.path.realpath(name))
    except ValueError as error:  # a NUL in it
        raise _not_found(ascii_text(name), "no file has such a name") from error
    folders = (Path(os.path.realpath(folder)) for folder in settings.password_folders)
    if not Path(name).is_absolute() or not any(path.is_relative_to(folder) for folder in folders):
        raise IssuerBroken(
            StepIssuerReason.PASSWORD_NOT_ALLOWED,
            f'spec.provisioner.passwordFile: the controller may not read "{name}": list its folder with '
            "--password-folder (chart: clusterIssuers.passwordFolders), and give the whole path",
        )
    try:
        # A pipe would be waited for until somebody writes, and by the whole process.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise _not_found(name, "it is no regular file")
            content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _not_found(name, error.strerror or "it can't be read") from error
    if not content or len(content) > _MAX_BYTES:
        raise _not_found(name, f"it is empty, or larger than {_MAX_BYTES} bytes")
    return content


def _not_found(name: str, why: str) -> IssuerBroken:
    return IssuerBroken(
        StepIssuerReason.PASSWORD_NOT_FOUND,
        f'spec.provisioner.passwordFile: the file "{name}" of the controller can\'t be used: {why}',
    )
