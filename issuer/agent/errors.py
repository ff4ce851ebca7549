"""Failures of the agent. Each message names the cause first, then the exact change or command."""

from __future__ import annotations


class AgentError(Exception):
    """Something can't be done; the files that were there stay as they are."""


class UnsafePath(AgentError):
    """Another user could lead a path elsewhere, or it isn't the kind of file that it has to be."""


class DiskRefused(AgentError):
    """The disk is full, read-only, over quota, or the agent's user may not write there."""


class NoSuchOwner(AgentError):
    """A user, a group or a container's user isn't known on this machine."""


class SetInUse(AgentError):
    """Another agent is writing the same set of files."""
