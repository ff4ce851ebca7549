"""A first hour that fails or is interrupted keeps each share and leaves no token that nobody knows of."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import Any

import pytest

from issuer.pki.errors import PkiError
from issuer.pki.initialising.targets import ReservedFile
from issuer.vault.errors import Unreachable, VaultBadRequest, VaultForbidden
from tests.unit.pki.new_server import LOGIN, ROOT, FirstHour, first_hour

INIT = "POST sys/init"
POLICY = "PUT sys/policies/acl/vault-issuer-admin"
MADE = "POST auth/token/create-orphan"
LOOKED_UP = "GET auth/token/lookup-self"
REVOKED = "POST auth/token/revoke-self"
LISTED = "LIST auth/token/accessors/"
ALL = (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
GONE = Unreachable("the connection broke", sent=True)


@pytest.fixture
def hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirstHour:
    return first_hour(tmp_path, monkeypatch)


def test_a_first_hour_on_the_fake_ends_well(hour: FirstHour) -> None:
    assert hour.init() == 0, hour.output
    assert hour.server.revoked == {ROOT}
    assert hour.admin.read_text() == f"{LOGIN}\n"


def test_signals_while_vault_initialises_wait_until_the_shares_are_kept(hour: FirstHour) -> None:
    hour.server.signals(INIT, *ALL, token="")
    before = signal.getsignal(signal.SIGINT)
    assert hour.init() == 1
    assert hour.output.count("it ends as soon as Vault has answered") == len(ALL)
    assert "Interrupted. The server is initialised" in hour.output
    assert hour.root.read_text() == f"{ROOT}\n"
    assert hour.files() == {"share-1": "aa\n", "share-2": "bb\n", "share-3": "cc\n"}
    assert signal.getsignal(signal.SIGINT) is before


def test_an_end_that_nobody_foresaw_while_vault_initialises_says_to_ask_it(hour: FirstHour) -> None:
    hour.server.fails(INIT, OSError(errno.EIO, "Input/output error"), token="")
    assert hour.init() == 1
    assert "bao operator init -status" in hour.output
    assert "Nothing was done" not in hour.output
    assert len(hour.files()) == 3


def test_a_share_that_cant_be_written_asks_for_another_folder(
    hour: FirstHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        write = ReservedFile.write

        def full(self: ReservedFile, content: bytes) -> None:
            if self.path.name == "share-3":
                raise PkiError(f"{self.path} can't be written: No space left on device")
            write(self, content)

        broken.setattr(ReservedFile, "write", full)
        assert hour.init() == 1
    assert "run the same with another folder for the shares" in hour.output
    hour.server.initialised = False  # its storage is emptied
    assert hour.init(shares="others") == 0, hour.output


def test_a_login_that_is_not_proven_is_revoked_and_leaves_no_file(hour: FirstHour) -> None:
    async def until_revoked() -> None:
        if LOGIN not in hour.server.revoked:
            raise GONE

    hour.server.at[LOOKED_UP, LOGIN] = until_revoked
    assert hour.init(goes_on=True) == 1
    assert hour.server.revoked == {LOGIN}
    assert not hour.admin.exists()
    assert "The root token still works" in hour.output
    assert "lives for up to a day" not in hour.output
    hour.server.at.clear()
    hour.server.revoked.clear()
    assert hour.init(goes_on=True) == 0, hour.output


def test_without_a_proven_login_the_root_token_stays_and_ends_it(hour: FirstHour) -> None:
    hour.server.fails(LOOKED_UP, GONE, token=LOGIN)
    hour.server.fails(REVOKED, GONE, token=LOGIN)
    assert hour.init() == 1
    assert "display name token-pki-init-admin" in hour.output
    assert not hour.admin.exists()
    assert hour.server.revoked == set()
    assert f"The root token still works, and is in {hour.root}" in hour.output
    assert hour.root.read_text() == f"{ROOT}\n"
    assert hour.root.stat().st_mode & 0o777 == 0o600
    assert ROOT not in hour.output
    hour.server.at.clear()
    assert hour.init(goes_on=True) == 0, hour.output
    assert hour.server.revoked == {ROOT}


def test_signals_while_the_login_is_made_leave_it_whole(hour: FirstHour) -> None:
    hour.server.signals(MADE, *ALL)
    assert hour.init() == 1
    assert "Interrupted. The admin login works, and the root token is revoked" in hour.output
    assert hour.admin.read_text() == f"{LOGIN}\n"
    assert hour.server.revoked == {ROOT}


def test_a_policy_that_vault_refuses_leaves_the_root_token(hour: FirstHour) -> None:
    hour.server.fails(POLICY, VaultBadRequest("400", messages=("bad HCL",)))
    assert hour.init() == 1
    assert "Vault takes no policy for the admin login: bad HCL" in hour.output
    assert (hour.server.revoked, hour.root.read_text()) == (set(), f"{ROOT}\n")


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_root_token_that_cant_be_kept_is_revoked_or_told(
    hour: FirstHour, monkeypatch: pytest.MonkeyPatch, is_revoked: bool
) -> None:
    write = ReservedFile.write

    def full(self: ReservedFile, content: bytes) -> None:
        if self.path == hour.root:
            raise PkiError(f"{self.path} can't be written: Input/output error")
        write(self, content)

    monkeypatch.setattr(ReservedFile, "write", full)
    hour.server.fails(POLICY, VaultBadRequest("400", messages=("bad HCL",)))
    if not is_revoked:
        hour.server.fails(REVOKED, GONE)
    assert hour.init() == 1
    assert "The root token can't be kept, and is revoked" in hour.output
    assert ("bao token revoke -accessor root-accessor" in hour.output) is not is_revoked
    assert ("empty its storage" in hour.output) is is_revoked
    assert hour.server.revoked == ({ROOT} if is_revoked else set())
    assert not hour.root.exists()


def test_a_server_that_doesnt_unseal_leaves_the_root_token(hour: FirstHour) -> None:
    hour.server.fails("POST sys/unseal", VaultForbidden("permission denied", status=403), token="")
    assert hour.init() == 1
    assert "unseal the server if it is sealed, and run the same with --continue" in hour.output
    assert hour.root.read_text() == f"{ROOT}\n"


def test_signals_before_the_login_leave_the_root_token(hour: FirstHour) -> None:
    hour.server.signals(POLICY, *ALL)
    assert hour.init() == 1
    said = (
        "Interrupted. The server is unsealed, and has no admin login. The root token still works, and is in"
    )
    assert f"{said} {hour.root}" in hour.output
    assert (hour.server.revoked, hour.root.read_text()) == (set(), f"{ROOT}\n")


def test_signals_end_no_revocation(hour: FirstHour) -> None:
    hour.server.signals(REVOKED, *ALL)
    assert hour.init() == 1
    assert "Interrupted." in hour.output
    assert hour.server.revoked == {ROOT}
    assert not hour.root.exists()


def test_other_root_tokens_that_cant_be_listed_keep_no_root_token(hour: FirstHour) -> None:
    for token in (ROOT, LOGIN):
        hour.server.fails(LISTED, GONE, token=token)
    assert hour.init() == 3
    assert "Other root tokens, if any live, could not be listed" in hour.output
    assert hour.server.revoked == {ROOT}


def test_a_signal_while_root_tokens_are_listed_comes_after_the_revocation(hour: FirstHour) -> None:
    for token in (ROOT, LOGIN):
        hour.server.signals(LISTED, signal.SIGTERM, token=token)
    assert hour.init() == 1
    assert "the root token is revoked" in hour.output
    assert hour.server.revoked == {ROOT}


def test_a_closed_pipe_keeps_no_root_token(hour: FirstHour, monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(_: object, err: bool = False, **__: Any) -> None:
        if not err:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("typer.echo", echo)
    assert hour.init() == 1
    assert hour.server.revoked == {ROOT}
    assert hour.admin.read_text() == f"{LOGIN}\n"
    assert len(hour.files()) == 3
