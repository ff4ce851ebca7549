"""Credentials from a plugin that a kubeconfig names, such as a cloud's login helper.

kubernetes.aio runs such plugins too, but lets one that hangs live on, and logs what failing ones print.
Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from issuer.kube.errors import ConfigError

_MAX_OUTPUT: Final = 1 << 20  # bytes; a token with its certificates takes some thousand


def on_terminal() -> bool:
    """Return True if a person reads what a plugin says on standard error, such as the code of a login."""
    return sys.stderr.isatty()


async def run_plugin(
    spec: Mapping[str, Any], directory: str, timeout: float, cluster: Mapping[str, Any]
) -> dict[str, Any]:
    """Run the plugin of a user's `exec` entry; return the `status` of the ExecCredential it prints.

    A relative command with a slash is looked for in `directory`, the kubeconfig's. It gets no standard input,
    of the `cluster` what it asks to be told (`provideClusterInfo`), and is killed after `timeout` seconds.
    Its standard error goes to a terminal, and nowhere else. Raises ConfigError, without what the plugin
    printed.
    """
    command, version = spec.get("command"), spec.get("apiVersion")
    if not isinstance(command, str) or not command or not isinstance(version, str):
        raise ConfigError("exec plugin: command and apiVersion are needed")
    if "/" in command:
        command = str(Path(directory) / command)
    about: dict[str, Any] = {"interactive": False}
    if spec.get("provideClusterInfo") is True:
        about["cluster"] = cluster
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": about}
    environment = os.environ | {str(item["name"]): str(item["value"]) for item in spec.get("env") or ()}
    environment["KUBERNETES_EXEC_INFO"] = orjson.dumps(info).decode()
    arguments = [str(argument) for argument in spec.get("args") or ()]
    process = await asyncio.create_subprocess_exec(
        command,
        *arguments,
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=None if on_terminal() else DEVNULL,
        start_new_session=True,  # so that it and what it started can be ended together
    )
    try:
        async with asyncio.timeout(timeout):
            output = await _output(process)
            code = await process.wait()
    except TimeoutError as error:
        await _end(process)
        raise ConfigError(
            f"exec plugin {command} took over {timeout:g} s; run it by hand to see why"
        ) from error
    except BaseException:  # a cancelled start, too, leaves no process behind
        await _end(process)
        raise
    if code != 0:
        raise ConfigError(f"exec plugin {command} ended with {code}; run it by hand to see why")
    return _status(output, command, version)


async def _output(process: Process) -> bytes:
    output = bytearray()
    if process.stdout is None:
        return b""
    while piece := await process.stdout.read(1 << 16):
        output += piece
        if len(output) > _MAX_OUTPUT:
            raise ConfigError(f"exec plugin printed more than {_MAX_OUTPUT} bytes")
    return bytes(output)


async def _end(process: Process) -> None:
    """Kill the plugin and its children, and read the pipe to its end so that it is closed."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    while process.stdout is not None and await process.stdout.read(1 << 16):
        pass
    await process.wait()


def _status(output: bytes, command: str, version: str) -> dict[str, Any]:
    try:
        answer = orjson.loads(output)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"exec plugin {command} did not print an ExecCredential") from error
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise ConfigError(f"exec plugin {command} printed no status")
    if answer.get("apiVersion") != version:
        raise ConfigError(f"exec plugin {command} answered in another apiVersion than {version}")
    pair = isinstance(status.get("clientCertificateData"), str) and isinstance(
        status.get("clientKeyData"), str
    )
    if not isinstance(status.get("token"), str) and not pair:
        raise ConfigError(
            f"exec plugin {command} gave no credentials: neither a token nor a certificate with key"
        )
    return status
