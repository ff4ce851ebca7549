"""The commands of docs/first-start.md, typed into a shell beside an OpenBao that nobody has initialised."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.cluster import REPOSITORY
from tests.docs.console import console
from tests.docs.shell import Shell
from tests.pki.new_vaults import new_vault
from tests.sizes import LONGER


@LONGER
def test_the_pages_commands_end_with_a_login_and_a_whole_file(tmp_path: Path) -> None:
    terminal = tmp_path / "terminal"
    programs = terminal / ".bin"
    programs.mkdir(parents=True)
    with new_vault(tmp_path) as new:
        (terminal / "pki.yaml").write_text(new.file.read_text())
        (programs / "bao").symlink_to(new.bao.program)
        path = os.pathsep.join([str(programs), str(REPOSITORY / ".venv" / "bin"), os.environ["PATH"]])
        found = {name: value for name, value in new.environment().items() if value}
        shell = Shell(
            terminal, {**found, "BAO_ADDR": new.bao.addr, "BAO_CACERT": found["VAULT_CACERT"], "PATH": path}
        )
        try:
            for block in console(REPOSITORY / "docs" / "first-start.md"):
                if not block.not_run:
                    shell.type(block)
        finally:
            shell.close()
        assert len([*(terminal / "shares").iterdir()]) == 3
        assert not (terminal / "admin-token").exists()
