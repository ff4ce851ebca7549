"""Labels and annotations of the controllers' Leases, by which others find and read them."""

from typing import Final

from issuer.api.group import GROUP

GROUP_LABEL: Final = f"{GROUP}/lease"
"""Label of every Lease, also where one replica leads alone. Its value is the main Lease's name."""
ROLE_LABEL: Final = f"{GROUP}/role"
"""Label of a Lease beside the main one. Its value is `SHARD` or `MEMBER`."""
SHARDS: Final = f"{GROUP}/shards"
"""Number of shards: a label on Leases of shards and members, an annotation on the main Lease."""

SHARD: Final = "shard"
MEMBER: Final = "member"
