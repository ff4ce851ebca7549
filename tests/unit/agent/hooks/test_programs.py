"""Programs run without a shell, with nothing of the agent's environment, and not for ever."""

from __future__ import annotations

import asyncio
import getpass
import os
from pathlib import Path

import pytest

from issuer.agent.hooks import programs
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed, HookUnsafe
from issuer.agent.hooks.programs import ProgramTimeout, check_program, run_program
from issuer.agent.hooks.users import HookUser, hook_user

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="acts as other users: needs root")


@pytest.fixture
def user() -> HookUser:
    return hook_user(getpass.getuser())


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


async def test_arguments_reach_the_program_as_they_are(tmp_path: Path, user: HookUser) -> None:
    hook = script(tmp_path, f'printf "%s|" "$@" > {tmp_path}/out')
    await run_program((hook, "a b", "$(id)", ";"), user, 20)
    assert (tmp_path / "out").read_text() == "a b|$(id)|;|"


async def test_files_of_a_hook_are_closed_by_hand_and_in_the_service(tmp_path: Path, user: HookUser) -> None:
    before = os.umask(0o022)
    try:
        await run_program((script(tmp_path, f"umask > {tmp_path}/out"),), user, 20)
    finally:
        os.umask(before)
    assert (tmp_path / "out").read_text() == "0077\n"


@AS_ROOT
@pytest.mark.parametrize("before", [("/bin/sh",), ("/usr/bin/env", "A=/b", "/bin/sh", "-e")])
def test_script_of_an_interpreter_is_judged_too(tmp_path: Path, before: tuple[str, ...]) -> None:
    hook = script(tmp_path, f"id -u >> {tmp_path}/out")
    root, nobody = hook_user("root"), hook_user("nobody")
    asyncio.run(run_program((*before, hook), root, 20))
    for owner, mode in ((nobody.uid, 0o755), (0, 0o777)):
        os.chown(hook, owner, 0)
        Path(hook).chmod(mode)
        with pytest.raises(HookUnsafe, match="The script"):
            asyncio.run(run_program((*before, hook), root, 20))
        with pytest.raises(HookUnsafe, match="The script"):
            check_program((*before, hook), root)
    assert (tmp_path / "out").read_text() == "0\n"
    os.chown(hook, nobody.uid, 0)
    Path(hook).chmod(0o755)
    check_program((*before, hook), nobody)  # its own, and run as nobody else
    check_program(("/bin/cat", hook), root)  # no interpreter


async def test_environment_has_nothing_of_the_agents(
    tmp_path: Path, user: HookUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hvs.secret")
    await run_program((script(tmp_path, f"env > {tmp_path}/out"),), user, 20, {"VAULT_ISSUER_SETS": "web"})
    found = dict(line.split("=", 1) for line in (tmp_path / "out").read_text().splitlines())
    assert found["VAULT_ISSUER_SETS"] == "web"
    assert found["HOME"] == user.home
    assert "VAULT_TOKEN" not in found
    assert "secret" not in str(found)


async def test_failure_shows_code_and_last_words(tmp_path: Path, user: HookUser) -> None:
    hook = script(tmp_path, 'echo "first"; printf "bad \\033[31mcertificate" >&2; exit 3')
    with pytest.raises(ConsumerRefused) as caught:
        await run_program((hook,), user, 20)
    assert str(caught.value).endswith("ended with code 3: first; bad [31mcertificate")
    assert caught.value.may_be_the_files


async def test_hook_that_hangs_is_ended_with_its_children(tmp_path: Path, user: HookUser) -> None:
    hook = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/child; echo waiting; wait")
    with pytest.raises(ProgramTimeout, match=r"was ended after 1 s: waiting"):
        await run_program((hook,), user, 1)
    child = int((tmp_path / "child").read_text())
    while Path(f"/proc/{child}/exe").exists() and _is_alive(child):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


async def test_hook_that_floods_is_ended(
    tmp_path: Path, user: HookUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "MAX_OUTPUT", 1 << 20)
    with pytest.raises(ProgramTimeout, match="more than 1 MiB"):
        await run_program((script(tmp_path, "yes"),), user, 60)


async def test_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path, user: HookUser) -> None:
    hook = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/child")
    await run_program((hook,), user, 60)
    os.kill(int((tmp_path / "child").read_text()), 9)


async def test_program_that_is_not_there_is_told(tmp_path: Path, user: HookUser) -> None:
    with pytest.raises(HookFailed, match="No such file"):
        await run_program((str(tmp_path / "nothing"),), user, 20)


async def test_program_that_others_may_write_is_refused(tmp_path: Path, user: HookUser) -> None:
    hook = script(tmp_path, "true")
    Path(hook).chmod(0o757)  # noqa: ASYNC240
    with pytest.raises(HookUnsafe, match="everybody may write"):
        await run_program((hook,), user, 20)


@AS_ROOT
async def test_hook_runs_as_its_user_alone() -> None:
    nobody = hook_user("nobody")
    with pytest.raises(ConsumerRefused, match=rf"uid={nobody.uid}.*gid={nobody.gid}"):
        await run_program(("/bin/sh", "-c", "id; exit 1"), nobody, 20)


@AS_ROOT
async def test_program_of_another_user_is_refused(tmp_path: Path) -> None:
    hook = script(tmp_path, "true")
    os.chown(hook, hook_user("nobody").uid, 0)
    with pytest.raises(HookUnsafe, match='belongs to user "nobody"'):
        await run_program((hook,), hook_user("root"), 20)


@AS_ROOT
def test_root_has_to_name_the_user() -> None:
    with pytest.raises(HookUnsafe, match="runs as root and the consumer has no user"):
        hook_user(None)


def test_unknown_user_is_told() -> None:
    with pytest.raises(HookUnsafe, match="isn't known on this machine"):
        hook_user("nobody-of-this-name")


async def test_script_that_others_may_write_is_given_to_no_interpreter(
    tmp_path: Path, user: HookUser
) -> None:
    path = script(tmp_path, f"touch {tmp_path}/ran", 0o666)
    with pytest.raises(HookUnsafe, match=r"The script .* is not used: everybody may write"):
        await run_program(("/bin/sh", path), user, 20)
    assert not (tmp_path / "ran").exists()
    await run_program(("/bin/ls", path), user, 20)  # data may be anybody's
    script(tmp_path, f"touch {tmp_path}/ran", 0o644)
    await run_program(("/bin/sh", path), user, 20)
    assert (tmp_path / "ran").exists()
