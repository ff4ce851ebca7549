"""`vault-issuer controller`: options in, exit code out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from issuer.cli.canary import read_roots
from issuer.cli.controller import canaries
from issuer.cli.controller.options import (
    LogFormat,
    LogLevel,
    allowed_servers_of,
    listen_address,
    optional_address,
    traces_endpoint,
)
from issuer.site import docs_page


def controller(
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Kubeconfig file; without it the pod's ServiceAccount is used.",
            envvar="KUBECONFIG",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Namespace of the Lease. Default: the one the controller runs in.",
            envvar="POD_NAMESPACE",
        ),
    ] = None,
    cluster_resource_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Namespace of the Secrets and ServiceAccounts that VaultClusterIssuers use. "
            "Default: the controller's own.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Requests handled at once.", min=1, max=1024)] = 64,
    issuer_concurrency: Annotated[
        int,
        typer.Option(
            help="Requests of one issuer handled at once, where its spec.rateLimit.concurrent says nothing.",
            min=1,
            max=1024,
        ),
    ] = 8,
    issuer_workers: Annotated[
        int,
        typer.Option(
            help="Cluster issuers checked at once; namespaced issuers too, a quarter of them at most of one "
            "namespace. Those whose server answers slowly have as many workers of their own.",
            min=1,
            max=256,
        ),
    ] = 16,
    issuer_check_period: Annotated[
        float, typer.Option(help="Seconds between two checks of a healthy issuer.", min=1)
    ] = 60.0,
    vault_timeout: Annotated[
        float,
        typer.Option(
            help="Seconds a call to Vault may take. Leases last 15 seconds longer, as no signing starts that "
            "could outlast its Lease.",
            min=1,
            max=600,
        ),
    ] = 15.0,
    shutdown_grace: Annotated[
        float, typer.Option(help="Seconds to finish what is in flight after SIGTERM.", min=0)
    ] = 25.0,
    denial_delay: Annotated[
        float,
        typer.Option(
            help="Seconds for which another policy may avert a refusal by policies. 0: it is final at once.",
            min=0,
            max=300,
        ),
    ] = 0.0,
    leader_elect: Annotated[
        bool, typer.Option(help="Take part in the election of the one replica that works.")
    ] = True,
    lease_name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the Lease of that election.")
    ] = "vault-issuer",
    lease_duration: Annotated[
        float | None,
        typer.Option(
            help="Seconds a Lease lasts, and so until others take over from a replica that died; at least 15 "
            "more than --vault-timeout, which is the default.",
            min=1,
            max=3600,
        ),
    ] = None,
    shards: Annotated[
        int,
        typer.Option(
            help="Divide the work into so many shards, which all replicas share, instead of one that leads "
            "(0 or 1). The same for all; four to eight times the replicas. Needs the Role of the chart's "
            "controller.shards (config/rbac/optional/sharding.yaml).",
            min=0,
            max=256,
        ),
    ] = 0,
    metrics_address: Annotated[
        str,
        typer.Option(
            metavar="[HOST]:PORT",
            help="host:port of /healthz, /readyz and /metrics.",
            callback=listen_address,
        ),
    ] = ":9402",
    metrics_tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="Certificate (PEM, with its chain) to serve them by TLS. The metrics then ask for a token "
            "whose user may get /metrics.",
        ),
    ] = None,
    metrics_tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    status_address: Annotated[
        str,
        typer.Option(
            metavar="[HOST]:PORT",
            help="host:port of the status page; empty: none. Loopback needs no login. "
            f"{docs_page('status-page')}",
            callback=optional_address,
        ),
    ] = "",
    status_tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="Certificate (PEM, with its chain) of the status page, where its address is not loopback.",
        ),
    ] = None,
    status_tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    name_policies: Annotated[
        bool,
        typer.Option(
            help="Name policies in the reason why a request waits; --no-name-policies gives counts alone, "
            "for tenants who should not read them."
        ),
    ] = True,
    certificate_signing_requests: Annotated[
        bool,
        typer.Option(
            help="Sign Kubernetes' CertificateSigningRequests too, where RBAC lets the controller watch them."
        ),
    ] = True,
    watch_certificates: Annotated[
        bool,
        typer.Option(
            help="Watch cert-manager's Certificates of our issuers, for metrics of their renewal, where RBAC "
            "lets the controller."
        ),
    ] = True,
    revocation_wait: Annotated[
        float,
        typer.Option(
            help="Seconds a deleted request is kept at most while its certificate can't be revoked; "
            "at most 20 where its namespace is deleted too.",
            min=0,
            max=86400,
        ),
    ] = 300.0,
    renewal_loop_certificates: Annotated[
        int,
        typer.Option(
            help="Certificates of one Certificate within --renewal-loop-window after which its next request "
            "waits (RenewalLoop), unless its spec has changed. 0: none waits.",
            min=0,
            max=100,
        ),
    ] = 5,
    renewal_loop_window: Annotated[
        float,
        typer.Option(
            help="Seconds in which they are counted, and the first wait; it doubles with each certificate.",
            min=1,
            max=86400,
        ),
    ] = 600.0,
    renewal_loop_longest: Annotated[
        float, typer.Option(help="Longest of these waits, in seconds.", min=1, max=604800)
    ] = 21600.0,
    issuer_ambient_credentials: Annotated[
        bool,
        typer.Option(
            help="Let VaultIssuers log in by what the controller is: its AWS identity (auth.aws without "
            "serviceAccountRef), or its address (auth.appRole without secretRef)."
        ),
    ] = False,
    cluster_issuer_ambient_credentials: Annotated[
        bool, typer.Option(help="Let VaultClusterIssuers log in by the controller's AWS identity or address.")
    ] = True,
    password_variable: Annotated[
        list[str] | None,
        typer.Option(
            help="Environment variable of the controller that StepClusterIssuers may name in passwordEnv. "
            "Repeatable. Without any, none is read.",
            metavar="NAME",
        ),
    ] = None,
    password_folder: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of the controller whose files StepClusterIssuers may name in passwordFile. "
            "Repeatable. Without any, none is read.",
            metavar="FOLDER",
        ),
    ] = None,
    allowed_servers: Annotated[
        list[str] | None,
        typer.Option(
            help="Servers that VaultIssuers and StepIssuers may use: host[:port], *.suffix[:port], an "
            "address or a network (10.0.0.0/8), IPv6 with a port in brackets. Repeatable, or with commas. "
            "Without any: every host but loopback, link-local, multicast and cloud metadata addresses.",
            metavar="SERVER",
        ),
    ] = None,
    backends: Annotated[
        list[str] | None,
        typer.Option(
            help="Backend of another Python distribution, loaded beside the built-in one: the name of its "
            "entry point in the group vault_issuer.backends. Its code runs in this process and may do all "
            "that this may. Repeatable.",
            metavar="NAME",
        ),
    ] = None,
    adopt_step_issuer: Annotated[
        bool,
        typer.Option(
            "--adopt-step-issuer",
            help="Serve the StepIssuers and StepClusterIssuers of certmanager.step.sm, too, in step-issuer's "
            f"place. {docs_page('migrate-from-step-issuer')}",
        ),
    ] = False,
    adopt_anyway: Annotated[
        bool,
        typer.Option(
            "--adopt-anyway", help="Adopt although step-issuer seems to run, or that can't be seen."
        ),
    ] = False,
    trust_config_map: Annotated[
        list[str] | None,
        typer.Option(
            help="ConfigMap that cluster issuers may put their roots into (spec.trust), in namespaces they "
            "select. Repeatable. Without any, none is written. Needs the ClusterRole of the chart's "
            f"trustDistribution.configMaps. {docs_page('trust', 'in-a-cluster')}",
            metavar="NAME",
        ),
    ] = None,
    canary: canaries.Issuers = None,
    canary_dns_name: canaries.DnsNames = None,
    canary_namespace: canaries.Namespace = None,
    canary_period: canaries.Period = 300.0,
    canary_timeout: canaries.Timeout = 30.0,
    canary_duration: canaries.Duration = "1h",
    canary_endpoint: canaries.Endpoints = None,
    canary_ca_file: canaries.CaFile = None,
    tracing_endpoint: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Send OpenTelemetry traces there by OTLP over HTTP, such as http://collector:4318. Off by "
            "default; needs the extra: pip install 'vault-issuer[tracing]'.",
            callback=traces_endpoint,
        ),
    ] = "",
    log_format: Annotated[
        LogFormat, typer.Option(help="Log lines as JSON or for a terminal.")
    ] = LogFormat.JSON,
    log_level: Annotated[LogLevel, typer.Option(help="Least important lines to log.")] = LogLevel.INFO,
) -> None:
    """Watch requests for issuers of group vault-issuer.io, sign them through Vault and write the answer.

    Exit codes: 0 after SIGTERM or SIGINT, 1 when a Lease was lost, 2 when it
    can't start (wrong options, no access to a cluster, its port is taken).

    Examples:

      vault-issuer controller

      vault-issuer controller --shards 16

      vault-issuer controller --canary VaultClusterIssuer/vault --canary-dns-name canary.lab.example.com

      vault-issuer controller --kubeconfig ~/.kube/config --no-leader-elect --log-format console
    """
    # Imported here so that --help and completion stay quick.
    from issuer.controller.canary.target import BadTarget, CanaryOptions
    from issuer.controller.process.options import (
        CanarySchedule,
        ControllerOptions,
        LeaderOptions,
        MetricsOptions,
        OptionsError,
        PageOptions,
        TrustOptions,
        WatchOptions,
        WorkOptions,
        own_namespace,
    )
    from issuer.controller.process.run import run_controller
    from issuer.controller.renewals.loops import LoopLimits
    from issuer.kube.errors import ConfigError
    from issuer.signing.backend import BackendError
    from issuer.signing.backends import load_backends
    from issuer.signing.settings import BackendSettings
    from issuer.telemetry.address import ListenError
    from issuer.telemetry.logs import configure

    configure(log_format.value, log_level.value)
    own = namespace or own_namespace()
    try:
        loaded = load_backends(backends or (), adopt_step_issuer=adopt_step_issuer, logged=True)
        asked = CanaryOptions(
            issuers=canary or (),
            namespace=canary_namespace or own,
            dns_names=canary_dns_name or (),
            endpoints=canary_endpoint or (),
            duration=canary_duration,
            timeout=canary_timeout,
            roots_pem=read_roots(canary_ca_file),
            issuer_kinds=loaded.kinds,
        )
        options = ControllerOptions(
            namespace=own,
            kubeconfig=kubeconfig,
            metrics=MetricsOptions(metrics_address, metrics_tls_cert, metrics_tls_key),
            tracing_endpoint=tracing_endpoint,
            leader=LeaderOptions(leader_elect, lease_name, lease_duration, shards),
            work=WorkOptions(
                workers=workers,
                issuer_concurrency=issuer_concurrency,
                issuer_workers=issuer_workers,
                issuer_check_period=issuer_check_period,
                shutdown_grace=shutdown_grace,
                denial_delay=denial_delay,
                revocation_wait=revocation_wait,
                name_policies=name_policies,
                renewal_loops=LoopLimits(
                    renewal_loop_certificates,
                    timedelta(seconds=renewal_loop_window),
                    timedelta(seconds=renewal_loop_longest),
                ),
            ),
            watch=WatchOptions(certificate_signing_requests, watch_certificates),
            page=PageOptions(status_address, status_tls_cert, status_tls_key),
            canaries=CanarySchedule(asked.targets(), canary_period),
            trust=TrustOptions(tuple(trust_config_map or ())),
            backends=loaded,
            backend_settings=BackendSettings(
                cluster_resource_namespace=cluster_resource_namespace or own,
                timeout=vault_timeout,
                allowed_servers=allowed_servers_of(allowed_servers or ()),
                issuer_ambient_credentials=issuer_ambient_credentials,
                cluster_issuer_ambient_credentials=cluster_issuer_ambient_credentials,
                password_variables=frozenset(password_variable or ()),
                password_folders=tuple(password_folder or ()),
            ),
            adopt_anyway=adopt_anyway,
        )
        code = run_controller(options)
    except (OptionsError, BackendError, BadTarget, ConfigError, ListenError, OSError) as error:
        typer.echo(f"vault-issuer controller can't start: {error}", err=True)
        code = 2
    raise typer.Exit(code)
