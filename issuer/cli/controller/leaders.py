"""Options of `vault-issuer controller` for the election, and for the sharing of work."""

from __future__ import annotations

from typing import Annotated

import typer

LeaderElect = Annotated[bool, typer.Option(help="Take part in the election of the one replica that works.")]
LeaseName = Annotated[str, typer.Option(metavar="NAME", help="Name of the Lease of that election.")]
LeaseDuration = Annotated[
    float | None,
    typer.Option(
        help="Seconds a Lease lasts, and so until others take over from a replica that died; at least 15 "
        "more than --vault-timeout, which is the default.",
        min=1,
        max=3600,
    ),
]
Shards = Annotated[
    int,
    typer.Option(
        help="Divide the work into so many shards, which all replicas share, instead of one that leads "
        "(0 or 1). The same for all; four to eight times the replicas. Needs the Role of the chart's "
        "controller.shards (config/rbac/optional/sharding.yaml).",
        min=0,
        max=256,
    ),
]
