"""Consumers in `agent.yaml`: programs that read a set's files, and are told when these have changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Final

from pydantic import Field, model_validator

from issuer.agent.config.files import AbsolutePath, KeptName
from issuer.agent.config.times import Lifetime
from issuer.endpoint.address import BadEndpoint, EndpointAddress, StartTls, parse_endpoint
from issuer.manifests.checked import StrictModel, TextLike
from issuer.manifests.positions import ValuePath

UnitName = Annotated[
    str,
    TextLike(
        r"^[A-Za-z0-9_][A-Za-z0-9:_.\\@-]{0,254}$",
        "must be the name of a systemd unit, such as nginx.service",
    ),
]
RuntimeName = Annotated[
    str,
    TextLike(
        r"^[!-:=-~]{1,500}$",
        'must be the name that "show ssl cert" prints, such as /etc/haproxy/certs/combined.pem, without '
        "spaces and <",
    ),
]
MAX_TIME: Final = timedelta(minutes=10)
"""The longest time of one hook, and of its verification."""


class SignalName(StrEnum):
    """Signals by which servers read their files again."""

    HUP = "HUP"
    USR1 = "USR1"
    USR2 = "USR2"
    INT = "INT"
    TERM = "TERM"
    WINCH = "WINCH"


class PidFileHook(StrictModel):
    """A signal to the process in a pid file, which is read each time."""

    pid_file: AbsolutePath
    exe: AbsolutePath = Field(description="Program that the process has to run, such as /usr/sbin/nginx.")
    signal: SignalName = SignalName.HUP


class UnitVerb(StrEnum):
    """Jobs of systemd that have a service read its files again."""

    RELOAD = "reload"
    RESTART = "restart"
    RELOAD_OR_RESTART = "reload-or-restart"
    TRY_RESTART = "try-restart"
    TRY_RELOAD_OR_RESTART = "try-reload-or-restart"


class UnitHook(StrictModel):
    """A job for a unit, by `systemctl`."""

    unit: UnitName = Field(examples=["nginx.service"])
    user_unit: bool = Field(default=False, description="A unit of the user's own manager: systemctl --user.")
    verb: UnitVerb = UnitVerb.RELOAD


class RuntimeCertificate(StrictModel):
    """A certificate of a running HAProxy: the set, and HAProxy's name for it, as `show ssl cert` has it."""

    set: str
    file: RuntimeName = Field(examples=["/etc/haproxy/certs/combined.pem"])


class RuntimeSocketHook(StrictModel):
    """HAProxy's runtime socket: certificates are replaced in the running process, without a reload."""

    socket: AbsolutePath
    certificates: tuple[RuntimeCertificate, ...] = Field(min_length=1)


class ContainerHook(StrictModel):
    """Containers by the socket of Podman or Docker: those with the label tls=true and `owner` or `names`."""

    socket: AbsolutePath
    owner: str | None = Field(
        default=None, min_length=1, max_length=200, description="Value of the label owner."
    )
    names: tuple[str, ...] = Field(default=(), max_length=50)
    exec: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Program run inside, with its arguments."
    )
    signal: SignalName | None = None

    @model_validator(mode="after")
    def _named(self) -> ContainerHook:
        if self.owner is None and not self.names:
            raise ValueError("needs owner or names: the label tls=true alone could be anybody's container")
        if (self.exec is None) == (self.signal is None):
            raise ValueError("needs exec or signal, and not both")
        return self


class EndpointCheck(StrictModel):
    """A TLS endpoint of the consumer that has to serve the new certificate afterwards."""

    address: str = Field(examples=["127.0.0.1:443"])
    server_name: str = Field(default="", max_length=253, description="Sent as SNI; by default the host.")
    start_tls: StartTls | None = None
    set: str | None = Field(
        default=None, description="Set that is served; may be left out if there is only one."
    )
    handshakes: int = Field(
        default=8,
        ge=1,
        le=200,
        description="Handshakes in a row with the new certificate; several times the number of workers.",
    )

    @property
    def endpoint(self) -> EndpointAddress:
        """Return the address as it is dialled."""
        return parse_endpoint(self.address, self.start_tls)

    @model_validator(mode="after")
    def _an_endpoint(self) -> EndpointCheck:
        try:
            parse_endpoint(self.address)
        except BadEndpoint as error:
            raise ValueError(str(error)) from error
        return self


class ConsumerSpec(StrictModel):
    """A program that reads files of sets: one way to tell it, and where the outcome can be seen."""

    name: KeptName
    sets: tuple[str, ...] = Field(min_length=1, max_length=1000)
    user: str | None = Field(
        default=None, description="User of the consumer; needed if the agent runs as root."
    )
    command: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Program and arguments; no shell."
    )
    signal: PidFileHook | None = None
    systemd: UnitHook | None = None
    haproxy: RuntimeSocketHook | None = None
    container: ContainerHook | None = None
    timeout: Lifetime = Field(default=timedelta(seconds=30), le=MAX_TIME)
    endpoints: tuple[EndpointCheck, ...] = Field(default=(), max_length=20)
    verify_within: Lifetime = Field(default=timedelta(seconds=30), le=MAX_TIME)
    may_be_stopped: bool = Field(
        default=False, description="It is no failure if it doesn't run: it reads the files when it starts."
    )
    roll_back: bool = Field(default=True, description="Go back to the old files if it refuses the new ones.")

    @model_validator(mode="after")
    def _one_way(self) -> ConsumerSpec:
        ways = ("command", "signal", "systemd", "haproxy", "container")
        if len([way for way in ways if getattr(self, way) is not None]) != 1:
            raise ValueError(f"needs exactly one of {', '.join(ways[:-1])} and {ways[-1]}")
        if self.command is not None and not PurePosixPath(self.command[0]).is_absolute():
            raise ValueError("command must begin with the absolute path of a program; there is no shell")
        return self

    def problems(
        self, certificates: Collection[str], chains: Collection[str]
    ) -> Iterator[tuple[ValuePath, str]]:
        """Yield what contradicts the names of the file's sets, each with its place below the consumer."""
        for number, name in enumerate(self.sets):
            if name not in certificates and name not in chains:
                yield ("sets", number), f'there is no certificate and no CA chain "{name}"'
        mine = [name for name in self.sets if name in certificates]
        for number, check in enumerate(self.endpoints):
            if check.set is None and len(mine) != 1:
                yield ("endpoints", number, "set"), "is required: which of the certificates is served there?"
            elif check.set is not None and check.set not in mine:
                yield (
                    ("endpoints", number, "set"),
                    f'"{check.set}" is no certificate of this consumer\'s sets',
                )
        for number, one in enumerate(self.haproxy.certificates if self.haproxy else ()):
            if one.set not in mine:
                where = ("haproxy", "certificates", number, "set")
                yield where, f'"{one.set}" is no certificate of this consumer\'s sets'

    def served_set(self, check: EndpointCheck, certificates: Collection[str]) -> str:
        """Return the name of the certificate that an endpoint serves."""
        return check.set or next(name for name in self.sets if name in certificates)
