"""Times that options of commands on certificates give."""

from __future__ import annotations

from datetime import timedelta


def expiring_within(text: str | None, example: str) -> timedelta | None:
    """Return the time of `--expiring`, None without it. Raises BadInput, with the `example`."""
    from issuer.manifests.errors import BadInput
    from issuer.pki.file.durations import seconds

    try:
        found = None if text is None else timedelta(seconds=seconds(text))
    except (ValueError, OverflowError) as error:
        raise BadInput(f"--expiring is no time: write for example {example}") from error
    if found is not None and found <= timedelta():
        raise BadInput("--expiring must be longer than 0")
    return found
