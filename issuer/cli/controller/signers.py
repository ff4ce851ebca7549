"""Options of `vault-issuer controller` for what signs: logins, servers, backends, and where roots go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issuer.site import docs_page

IssuerAmbientCredentials = Annotated[
    bool,
    typer.Option(
        help="Let VaultIssuers log in by what the controller is: its AWS identity (auth.aws without "
        "serviceAccountRef), or its address (auth.appRole without secretRef)."
    ),
]
ClusterIssuerAmbientCredentials = Annotated[
    bool, typer.Option(help="Let VaultClusterIssuers log in by the controller's AWS identity or address.")
]
PasswordVariable = Annotated[
    list[str] | None,
    typer.Option(
        help="Environment variable of the controller that StepClusterIssuers may name in passwordEnv. "
        "Repeatable. Without any, none is read.",
        metavar="NAME",
    ),
]
PasswordFolder = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of the controller whose files StepClusterIssuers may name in passwordFile. "
        "Repeatable. Without any, none is read.",
        metavar="FOLDER",
    ),
]
AllowedServers = Annotated[
    list[str] | None,
    typer.Option(
        help="Servers that VaultIssuers and StepIssuers may use: host[:port], *.suffix[:port], an "
        "address or a network (10.0.0.0/8), IPv6 with a port in brackets. Repeatable, or with commas. "
        "Without any: every host but loopback, link-local, multicast and cloud metadata addresses.",
        metavar="SERVER",
    ),
]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        help="Backend of another Python distribution, loaded beside the built-in one: the name of its "
        "entry point in the group vault_issuer.backends. Its code runs in this process and may do all "
        "that this may. Repeatable.",
        metavar="NAME",
    ),
]
AdoptStepIssuer = Annotated[
    bool,
    typer.Option(
        "--adopt-step-issuer",
        help="Serve the StepIssuers and StepClusterIssuers of certmanager.step.sm, too, in step-issuer's "
        f"place. {docs_page('migrate-from-step-issuer')}",
    ),
]
AdoptAnyway = Annotated[
    bool,
    typer.Option("--adopt-anyway", help="Adopt although step-issuer seems to run, or that can't be seen."),
]
TrustConfigMap = Annotated[
    list[str] | None,
    typer.Option(
        help="ConfigMap that cluster issuers may put their roots into (spec.trust), in namespaces they "
        "select. Repeatable. Without any, none is written. Needs the ClusterRole of the chart's "
        f"trustDistribution.configMaps. {docs_page('trust', 'in-a-cluster')}",
        metavar="NAME",
    ),
]
ClusterTrustBundles = Annotated[
    bool,
    typer.Option(
        help="Write the ClusterTrustBundles that cluster issuers ask for (spec.trust). Needs the "
        "ClusterRole of the chart's trustDistribution.clusterTrustBundles, and a cluster that has them."
    ),
]
