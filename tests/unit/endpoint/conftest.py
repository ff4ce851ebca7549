"""A CA whose servers are dialled."""

from tests.unit.dialled import ca, now

__all__ = ["ca", "now"]
