"""Options of `vault-issuer controller` for the work on requests and issuers."""

from __future__ import annotations

from typing import Annotated

import typer

Workers = Annotated[int, typer.Option(help="Requests handled at once.", min=1, max=1024)]
IssuerConcurrency = Annotated[
    int,
    typer.Option(
        help="Requests of one issuer handled at once, where its spec.rateLimit.concurrent says nothing.",
        min=1,
        max=1024,
    ),
]
IssuerWorkers = Annotated[
    int,
    typer.Option(
        help="Cluster issuers checked at once; namespaced issuers too, a quarter of them at most of one "
        "namespace. Those whose server answers slowly have as many workers of their own.",
        min=1,
        max=256,
    ),
]
IssuerCheckPeriod = Annotated[
    float, typer.Option(help="Seconds between two checks of a healthy issuer.", min=1)
]
VaultTimeout = Annotated[
    float,
    typer.Option(
        help="Seconds a call to Vault may take. Leases last 15 seconds longer, as no signing starts that "
        "could outlast its Lease.",
        min=1,
        max=600,
    ),
]
ShutdownGrace = Annotated[
    float, typer.Option(help="Seconds to finish what is in flight after SIGTERM.", min=0)
]
DenialDelay = Annotated[
    float,
    typer.Option(
        help="Seconds for which another policy may avert a refusal by policies. 0: it is final at once.",
        min=0,
        max=300,
    ),
]
NamePolicies = Annotated[
    bool,
    typer.Option(
        help="Name policies in the reason why a request waits; --no-name-policies gives counts alone, "
        "for tenants who should not read them."
    ),
]
CertificateSigningRequests = Annotated[
    bool,
    typer.Option(
        help="Sign Kubernetes' CertificateSigningRequests too, where RBAC lets the controller watch them."
    ),
]
WatchCertificates = Annotated[
    bool,
    typer.Option(
        help="Watch cert-manager's Certificates of our issuers, for metrics of their renewal, where RBAC "
        "lets the controller."
    ),
]
RevocationWait = Annotated[
    float,
    typer.Option(
        help="Seconds a deleted request is kept at most while its certificate can't be revoked; "
        "at most 20 where its namespace is deleted too.",
        min=0,
        max=86400,
    ),
]
RenewalLoopCertificates = Annotated[
    int,
    typer.Option(
        help="Certificates of one Certificate within --renewal-loop-window after which its next request "
        "waits (RenewalLoop), unless its spec has changed. 0: none waits.",
        min=0,
        max=100,
    ),
]
RenewalLoopWindow = Annotated[
    float,
    typer.Option(
        help="Seconds in which they are counted, and the first wait; it doubles with each certificate.",
        min=1,
        max=86400,
    ),
]
RenewalLoopLongest = Annotated[
    float, typer.Option(help="Longest of these waits, in seconds.", min=1, max=604800)
]
