"""Service definitions of the agent: systemd for users and for the system, cron, launchd. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from issuer.agent.config.model import AgentFile

WATCHDOG_SECONDS: Final = 300
"""The agent tells that it is alive four times a minute; a call to the server takes half a minute at most."""
_STOP_SECONDS: Final = 120
"""For the calls that are under way, and for revocations of what was signed and not written."""
_PAGE: Final = "man:systemd.service(5)"
_CRON_SECONDS: Final = 600
_RUN: Final = Path("/run")
_USERS: Final = _RUN / "user"
"""Folders of users who are logged in, which systemd-logind makes."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./@:+,=-]+")


@dataclass(frozen=True, slots=True)
class AgentService:
    """Start of the agent: the command's words without arguments, and its configuration."""

    program: tuple[str, ...]
    config: Path
    name: str = "vault-issuer-agent"
    longest_hook: float = 0.0
    """Seconds that the slowest consumer may take; see `longest_hook`."""

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command."""
        return (*self.program, "agent", "run", "-c", str(self.config))


@dataclass(frozen=True, slots=True)
class WrittenFolders:
    """Folders that an agent writes: those of its sets, and others, as of copies and of its state."""

    of_sets: tuple[Path, ...]
    others: tuple[Path, ...] = ()

    @property
    def every(self) -> tuple[Path, ...]:
        """The folders, each once."""
        return tuple(dict.fromkeys((*self.of_sets, *self.others)))


def user_unit(service: AgentService) -> str:
    """Return a minimal unit of a user's own manager: hardening needs rights that such a manager lacks."""
    return _unit(service, (), (), "default.target")


def system_unit(
    service: AgentService, user: str, folders: WrittenFolders, *, looks_into_processes: bool = False
) -> str:
    """Return a hardened unit of the system.

    A folder of `folders` that isn't there at a start is left to its set, which says so: it keeps no other set
    from being renewed. Those of sets in /run are made at each start, as nothing of /run outlives a boot.
    With `looks_into_processes` root may see what other processes run and mount.
    """
    made = [one for one in folders.of_sets if _RUN in one.parents and not one.is_relative_to(_USERS)]
    # A private one would hide the files from everybody else.
    has_tmp = any(one.is_relative_to(tmp) for one in folders.every for tmp in ("/tmp", "/var/tmp"))  # noqa: S108
    # Owners of files, consumers of other users, and commands run as them.
    rights = "CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE CAP_KILL CAP_SETUID CAP_SETGID" if user == "root" else ""
    if rights and looks_into_processes:
        rights += " CAP_SYS_PTRACE"  # /proc/PID/exe and ns/mnt: ptrace(2), PTRACE_MODE_READ
    lines = (
        f"User={user}",
        "UMask=0077",
        f"CapabilityBoundingSet={rights}",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        *(f"ReadWritePaths={_setting(f'-{folder}')}" for folder in folders.every if folder not in made),
        *(f"RuntimeDirectory={_setting(str(folder.relative_to(_RUN)))}" for folder in made),
        *(("RuntimeDirectoryMode=0755", "RuntimeDirectoryPreserve=yes") if made else ()),
        f"PrivateTmp={'no' if has_tmp else 'yes'}",
        "PrivateDevices=yes",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "RemoveIPC=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
    )
    ordering = (
        "Wants=network-online.target",
        "After=network-online.target time-sync.target remote-fs.target",
    )
    return _unit(service, ordering, lines, "multi-user.target")


def _unit(service: AgentService, ordering: Sequence[str], more: Sequence[str], target: str) -> str:
    lines = [
        "[Unit]",
        "Description=Certificates of this machine (vault-issuer agent)",
        f"Documentation={_PAGE}",
        *ordering,
        "",
        "[Service]",
        "Type=notify",
        f"ExecStart={' '.join(map(_quoted, service.words))}",
        f"WatchdogSec={WATCHDOG_SECONDS}",
        # The first look at all sets can wait for a server that is not there yet.
        "TimeoutStartSec=infinity",
        # What is under way is ended; killed within, it could leave a consumer with the old files.
        f"TimeoutStopSec={_STOP_SECONDS + ceil(service.longest_hook)}",
        # Also after a signal that somebody sent: nobody else renews.
        "Restart=always",
        "RestartSec=10",
        *more,
        "",
        "[Install]",
        f"WantedBy={target}",
    ]
    return "\n".join(lines) + "\n"


def written_folders(file: AgentFile, state: Path | None = None) -> WrittenFolders:
    """Return the folders that an agent writes. `state` is its state folder where the file names none."""
    sets = (*file.certificates, *file.ca_chains)
    others = [copy.path.parent for one in sets for copy in one.copies]
    if (folder := file.state_folder or state) is not None:
        others.append(folder)
    return WrittenFolders(tuple(map(_real_run, (one.folder for one in sets))), tuple(map(_real_run, others)))


def _real_run(folder: Path) -> Path:
    """Return a folder of /var/run, which is a symlink, as one of /run."""
    return _RUN / folder.relative_to("/var/run") if folder.is_relative_to("/var/run") else folder


def looks_into_processes(file: AgentFile) -> bool:
    """Return True if the agent has to see what other processes run (pid files) or mount (copies)."""
    copies = any(one.copies for one in (*file.certificates, *file.ca_chains))
    return copies or any(one.signal is not None for one in file.consumers)


def longest_hook(file: AgentFile) -> float:
    """Return the seconds that the slowest consumer may take: told, verified, and told of the old files."""
    found = ((one.timeout + one.verify_within).total_seconds() * 2 for one in file.consumers)
    return max(found, default=0.0)


def cron_line(service: AgentService, share: float) -> str:
    """Return a line for a crontab: a look each ten minutes, whose errors cron sends by mail.

    `share`, from 0 to 1, is this machine's place in the ten minutes: the server must not be asked by all
    machines in the same second.
    """
    minute, second = divmod(int(share * _CRON_SECONDS), 60)
    command = shlex.join((*service.program, "agent", "once", "-c", str(service.config)))
    return f"{minute}-59/10 * * * * sleep {second}; {command.replace('%', chr(92) + '%')} > /dev/null\n"


def launchd_plist(service: AgentService, log: Path) -> str:
    """Return a property list for launchd, as of launchd.plist(5) of macOS, which keeps what `log` takes."""
    words = "".join(f"    <string>{escape(word)}</string>\n" for word in service.words)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
        '<plist version="1.0">\n<dict>\n'
        f"  <key>Label</key>\n  <string>io.vault-issuer.{escape(service.name)}</string>\n"
        f"  <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n"
        f"  <key>StandardErrorPath</key>\n  <string>{escape(str(log))}</string>\n"
        "  <key>RunAtLoad</key>\n  <true/>\n  <key>KeepAlive</key>\n  <true/>\n"
        "</dict>\n</plist>\n"
    )


def _quoted(word: str) -> str:
    """Return a word of a command as a unit has it: specifiers and variables taken literally."""
    return _in_quotes(word, word.replace("$", "$$"))


def _setting(word: str) -> str:
    """Return a word of a setting other than a command: specifiers are there, variables aren't."""
    return _in_quotes(word, word)


def _in_quotes(word: str, text: str) -> str:
    text = text.replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
