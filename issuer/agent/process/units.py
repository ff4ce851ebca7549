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


def user_unit(service: AgentService) -> str:
    """Return a minimal unit of a user's own manager: hardening needs rights that such a manager lacks."""
    return _unit(service, (), (), "default.target")


def system_unit(
    service: AgentService, user: str, folders: Sequence[Path], *, looks_into_processes: bool = False
) -> str:
    """Return a hardened unit of the system. `folders` are those that the agent writes, its state among them.

    With `looks_into_processes` root may see what other processes run and mount.
    """
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
        *(f"ReadWritePaths={_quoted(str(folder))}" for folder in folders),
        "PrivateTmp=yes",
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
    ordering = ("Wants=network-online.target", "After=network-online.target time-sync.target")
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
        "Restart=on-failure",
        "RestartSec=10",
        *more,
        "",
        "[Install]",
        f"WantedBy={target}",
    ]
    return "\n".join(lines) + "\n"


def written_folders(file: AgentFile) -> tuple[Path, ...]:
    """Return the folders that an agent writes, each once."""
    sets = (*file.certificates, *file.ca_chains)
    found = [one.folder for one in sets] + [copy.path.parent for one in sets for copy in one.copies]
    if file.state_folder is not None:
        found.append(file.state_folder)
    return tuple(dict.fromkeys(found))


def looks_into_processes(file: AgentFile) -> bool:
    """Return True if the agent has to see what other processes run (pid files) or mount (copies)."""
    copies = any(one.copies for one in (*file.certificates, *file.ca_chains))
    return copies or any(one.signal is not None for one in file.consumers)


def longest_hook(file: AgentFile) -> float:
    """Return the seconds that the slowest consumer may take: told, verified, and told of the old files."""
    found = ((one.timeout + one.verify_within).total_seconds() * 2 for one in file.consumers)
    return max(found, default=0.0)


def cron_line(service: AgentService) -> str:
    """Return a line for a crontab: a look each ten minutes, whose errors cron sends by mail."""
    words = (*service.program, "agent", "once", "-c", str(service.config))
    return f"*/10 * * * * {shlex.join(words).replace('%', chr(92) + '%')} > /dev/null\n"


def launchd_plist(service: AgentService) -> str:
    """Return a property list for launchd, as of launchd.plist(5) of macOS."""
    words = "".join(f"    <string>{escape(word)}</string>\n" for word in service.words)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
        '<plist version="1.0">\n<dict>\n'
        f"  <key>Label</key>\n  <string>io.vault-issuer.{escape(service.name)}</string>\n"
        f"  <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n"
        "  <key>RunAtLoad</key>\n  <true/>\n  <key>KeepAlive</key>\n  <true/>\n"
        "</dict>\n</plist>\n"
    )


def _quoted(word: str) -> str:
    """Return a word as a unit has it: specifiers and variables taken literally."""
    text = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(word):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
