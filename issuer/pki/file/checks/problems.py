"""All contradictions of a file, in the order in which people mend them."""

from __future__ import annotations

from issuer.pki.file.checks.access import login_problems, policy_problems
from issuer.pki.file.checks.authorities import authority_problems
from issuer.pki.file.checks.context import CheckedFile
from issuer.pki.file.checks.mounts import engine_problems, mount_problems, role_problems
from issuer.pki.file.model import PkiFile
from issuer.pki.file.names import name_problems
from issuer.pki.file.place import Places
from issuer.pki.file.rotations import rotation_problems


def problems_of(file: PkiFile, places: Places) -> list[str]:
    """Return every contradiction as `FILE:LINE PATH: what is wrong, and the change`."""
    checked = CheckedFile(file, places)
    return [
        *(f"{places.told(*where)} {sentence}" for where, sentence in name_problems(file)),
        *(f"{places.told(*where)} {sentence}" for where, sentence in rotation_problems(file)),
        *mount_problems(checked),
        *authority_problems(checked),
        *role_problems(checked),
        *engine_problems(checked),
        *login_problems(checked),
        *policy_problems(checked),
    ]
