"""A new OpenBao's first hour by `pki init`: done, refused, interrupted, and gone on with."""

from __future__ import annotations

import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pki.cutting import CutMode, CuttingProxy
from tests.pki.files import TWO_TIER
from tests.pki.new_vaults import NewVault, new_vault


@pytest.fixture
def new(tmp_path: Path) -> Iterator[NewVault]:
    """A server that nobody has initialised."""
    with new_vault(tmp_path) as found:
        yield found


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_an_empty_vault_gets_its_foundation_one_login_and_no_root_token(new: NewVault) -> None:
    assert new.init() == 0, new.output
    assert "The root token is revoked, and Vault refuses it" in new.output
    new.works()
    assert new.root_tokens(new.token()) == []
    assert [mode(one) for one in (new.shares, *new.shares.iterdir(), new.admin)] == [0o700, *[0o600] * 4]
    assert not new.root.exists()
    assert len(set(new.kept())) == 3
    for secret in (*new.kept(), new.token()):
        assert secret not in new.output
    # The login is enough for the rest of the file, and for looking at all of it.
    for words in (["apply", "--yes"], ["plan"], ["verify"]):
        ran = new.run(*words)
        assert ran.exit_code == 0, ran.output
    # Shares of the files unseal it.
    new.bao.token = new.token()
    new.bao.seal()
    new.unseal()
    before = new.kept()
    assert new.init() == 1
    assert "initialised already; nothing was changed" in new.output
    assert new.kept() == before


def test_what_would_lose_or_show_a_share_is_refused_before_init(new: NewVault, tmp_path: Path) -> None:
    def refused(said: str, *more: str | Path) -> None:
        assert new.init(*more) == 1, new.output
        assert said in new.output
        assert new.bao.status()["initialized"] is False

    def to(folder: Path) -> tuple[str | Path, ...]:
        return ("--shares", "3", "--shares-to-files", folder)

    refused("--shares-to-files is missing", "--shares", "3")
    refused("One share alone", "--shares", "1", "--shares-to-files", new.shares)
    refused("raise --threshold", *to(new.shares), "--threshold", "1")
    (tmp_path / "work" / ".git").mkdir(parents=True)
    refused("git work tree", *to(tmp_path / "work" / "deep"))
    (tmp_path / "link").symlink_to(tmp_path / "work")
    refused("git work tree", *to(tmp_path / "link" / "shares"))
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o755)
    refused("chmod 700", *to(open_to_all))
    new.shares.mkdir(mode=0o700)
    (new.shares / "share-2").write_text("of another Vault\n")
    refused("never overwritten", *to(new.shares))
    assert [one.name for one in new.shares.iterdir()] == ["share-2"]
    new.admin.write_text("somebody's\n")
    refused("never overwritten", *to(tmp_path / "others"))
    new.admin.unlink()
    new.root.write_text("of another Vault\n")
    refused("never overwritten", *to(tmp_path / "others"))
    new.root.unlink()
    new.file.write_text(TWO_TIER + "typo: 1\n")
    refused("typo", *to(tmp_path / "others"))
    assert not new.admin.exists()


def test_a_server_that_is_down_or_without_tls_is_told_from_one_that_was_asked(new: NewVault) -> None:
    assert new.init(addr="https://127.0.0.1:9") == 1
    assert "refused the connection" in new.output
    assert new.init(addr=new.bao.addr.replace("https", "http")) == 1
    assert "by TLS alone" in new.output
    assert not new.shares.exists()


INIT = "POST sys/init"
UNSEAL = "POST sys/unseal"
MOUNT = "POST sys/mounts/t-root"
LOGIN = "POST auth/token/create-orphan"
REVOKE = "POST auth/token/revoke-self"


@pytest.mark.parametrize(
    ("when", "initialised", "said"),
    [(CutMode.BEFORE, False, "run the same again"), (CutMode.AFTER, True, "the shares are lost with it")],
)
def test_a_lost_answer_of_init_is_told_for_what_it_is(
    new: NewVault, when: CutMode, initialised: bool, said: str
) -> None:
    assert new.cut(INIT, when, goes_on=True) == 1
    assert said in new.output
    assert new.bao.status()["initialized"] is initialised
    assert [*new.shares.iterdir()] == []
    assert new.init() == (1 if initialised else 0)


def test_a_lost_connection_at_init_leaves_it_open_whether_it_was_done(new: NewVault) -> None:
    assert new.cut(INIT, CutMode.AFTER) == 1
    assert "bao operator init -status" in new.output


@pytest.mark.parametrize("at", [UNSEAL, MOUNT, LOGIN])
def test_without_an_admin_login_the_root_token_stays_and_is_gone_on_with(new: NewVault, at: str) -> None:
    assert new.cut(at, CutMode.AFTER) == 1
    assert f"The root token still works, and is in {new.root}" in new.output
    assert mode(new.root) == 0o600
    root = new.root.read_text().strip()
    assert root not in new.output
    new.unseal()
    assert new.asked("GET", "auth/token/lookup-self", root)["policies"] == ["root"]
    assert new.go_on() == 0, new.output
    new.works()
    assert new.asked("GET", "auth/token/lookup-self", root) is None
    assert new.root_tokens(new.token()) == []


def test_a_foundation_that_fails_leaves_a_login_that_can_finish_it(new: NewVault) -> None:
    assert new.cut(MOUNT, CutMode.BEFORE, goes_on=True) == 1
    assert "The foundation was not applied as a whole" in new.output
    assert new.root_tokens(new.token()) == []
    ran = new.run("apply", "--yes", "--part", "foundation")
    assert ran.exit_code == 0, ran.output
    new.works()


def test_a_root_token_that_is_not_revoked_is_told_with_its_accessor(new: NewVault) -> None:
    assert new.cut(REVOKE, CutMode.BEFORE) == 1
    (lives,) = new.root_tokens(new.token())
    assert "The root token still lives" in new.output
    assert f"bao token revoke -accessor {lives}" in new.output
    new.works()


def test_a_revocation_that_was_not_heard_of_is_looked_at_again(new: NewVault) -> None:
    assert new.cut(REVOKE, CutMode.AFTER, goes_on=True) == 0, new.output
    assert new.root_tokens(new.token()) == []


def test_a_signal_while_vault_initialises_waits_until_the_shares_are_kept(new: NewVault) -> None:
    assert new.signalled(INIT, signal.SIGTERM) == 1
    assert "Interrupted. The server is initialised" in new.output
    assert len(new.kept()) == 3
    assert new.go_on() == 0, new.output


def test_more_signals_while_vault_initialises_change_nothing(new: NewVault) -> None:
    with CuttingProxy(new.bao, tls=new.tls).running() as proxy:
        ran = new.started(proxy.addr)
        assert ran.stdout is not None
        noted: list[str] = []

        def held(call: str) -> None:
            if call == INIT:
                for sent in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    ran.send_signal(sent)
                    noted.append(ran.stdout.readline() if ran.stdout else "")

        proxy.held = held
        ran.wait()
        output = ran.stdout.read()
        ran.stdout.close()
    assert [*{*noted}] == ["Interrupted: it ends as soon as Vault has answered\n"]
    assert "Interrupted. The server is initialised" in output
    assert len(new.kept()) == 3


def test_an_interruption_in_the_middle_leaves_the_root_token(new: NewVault) -> None:
    assert new.signalled(MOUNT, signal.SIGINT) == 1
    assert "Interrupted. The server is unsealed, and has no admin login" in new.output
    # Shares and root token: in their files, and nowhere else.
    secrets = [*new.kept(), new.root.read_text().strip()]
    assert any("pki\0init" in one for one in new.seen)
    for place in (*new.seen, new.output, new.bao.log.read_text(), new.bao.audit_log.read_text()):
        assert [one[:4] for one in secrets if one in place] == []
    assert new.go_on() == 0, new.output  # no other root token lives
    new.works()


def test_a_kill_after_init_leaves_shares_that_unseal_or_none(new: NewVault, tmp_path: Path) -> None:
    assert new.signalled(UNSEAL, signal.SIGKILL) == -signal.SIGKILL
    assert new.init() == 1
    assert "initialised already" in new.output
    assert "Reserved" in new.root.read_text()
    new.root.rename(tmp_path / "reserved")
    assert new.go_on() == 3, new.output
    new.works()
    (lost,) = new.root_tokens(new.token())
    assert f"bao token revoke -accessor {lost}" in new.output
    new.asked("POST", "auth/token/revoke-accessor", new.token(), {"accessor": lost})
    assert new.root_tokens(new.token()) == []


def test_continue_takes_no_other_token_and_keeps_a_root_token_that_somebody_has(
    new: NewVault, tmp_path: Path
) -> None:
    assert new.init() == 0
    login = new.token()
    new.unseal()
    root = new.generated_root()
    new.admin.rename(tmp_path / "first")
    assert new.init("--continue", given=f"{login}\n") == 1
    assert "no root token" in new.output
    assert new.init("--continue", given="hvs.nobodys\n") == 1
    assert "Vault refuses the root token" in new.output
    assert new.asked("GET", "auth/token/lookup-self", root) is not None
    assert not new.admin.exists()
    assert new.init("--continue", "--shares", "3", given=root) == 1
    assert "makes no shares" in new.output
    assert new.init("--continue", given=root) == 0, new.output
    assert new.asked("GET", "auth/token/lookup-self", root) is None


def test_a_server_that_unseals_itself_gives_recovery_shares(tmp_path: Path) -> None:
    with new_vault(tmp_path, unseals_itself=True) as new:
        assert new.init() == 0, new.output
        assert "3 recovery shares" in new.output
        new.works()
        new.admin.unlink()
        assert new.init("--continue", given=new.generated_root()) == 0, new.output
