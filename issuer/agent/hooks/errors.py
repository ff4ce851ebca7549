"""Ways for a hook to fail."""

from __future__ import annotations

from issuer.agent.errors import AgentError


class HookFailed(AgentError):
    """A consumer was not told; the message has the cause, then what to do."""

    may_be_the_files = False
    """True if the consumer may have refused the new files: then going back to the old ones can help."""


class ConsumerRefused(HookFailed):
    """The hook ran and failed, or the endpoint doesn't serve the new certificate."""

    may_be_the_files = True


class NotRunning(HookFailed):
    """The consumer doesn't run: it reads the files when it starts."""


class HookUnsafe(HookFailed):
    """Somebody else could decide what the hook does, or whom it reaches; nothing was done."""
