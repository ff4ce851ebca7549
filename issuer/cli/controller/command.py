"""`vault-issuer controller`: options in, exit code out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from issuer.cli.cluster.canary import read_roots
from issuer.cli.controller import canaries, leaders, pages, signers, work
from issuer.cli.controller.options import (
    LogFormat,
    LogLevel,
    allowed_servers_of,
)


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
    workers: work.Workers = 64,
    issuer_concurrency: work.IssuerConcurrency = 8,
    issuer_workers: work.IssuerWorkers = 16,
    issuer_check_period: work.IssuerCheckPeriod = 60.0,
    vault_timeout: work.VaultTimeout = 15.0,
    shutdown_grace: work.ShutdownGrace = 25.0,
    denial_delay: work.DenialDelay = 0.0,
    leader_elect: leaders.LeaderElect = True,
    lease_name: leaders.LeaseName = "vault-issuer",
    lease_duration: leaders.LeaseDuration = None,
    shards: leaders.Shards = 0,
    metrics_address: pages.MetricsAddress = ":9402",
    metrics_tls_cert: pages.MetricsTLSCert = None,
    metrics_tls_key: pages.MetricsTLSKey = None,
    status_address: pages.StatusAddress = "",
    status_tls_cert: pages.StatusTLSCert = None,
    status_tls_key: pages.StatusTLSKey = None,
    name_policies: work.NamePolicies = True,
    certificate_signing_requests: work.CertificateSigningRequests = True,
    watch_certificates: work.WatchCertificates = True,
    revocation_wait: work.RevocationWait = 300.0,
    renewal_loop_certificates: work.RenewalLoopCertificates = 5,
    renewal_loop_window: work.RenewalLoopWindow = 600.0,
    renewal_loop_longest: work.RenewalLoopLongest = 21600.0,
    issuer_ambient_credentials: signers.IssuerAmbientCredentials = False,
    cluster_issuer_ambient_credentials: signers.ClusterIssuerAmbientCredentials = True,
    password_variable: signers.PasswordVariable = None,
    password_folder: signers.PasswordFolder = None,
    allowed_servers: signers.AllowedServers = None,
    backends: signers.Backends = None,
    adopt_step_issuer: signers.AdoptStepIssuer = False,
    adopt_anyway: signers.AdoptAnyway = False,
    trust_config_map: signers.TrustConfigMap = None,
    cluster_trust_bundles: signers.ClusterTrustBundles = False,
    canary: canaries.Issuers = None,
    canary_dns_name: canaries.DnsNames = None,
    canary_namespace: canaries.Namespace = None,
    canary_period: canaries.Period = 300.0,
    canary_timeout: canaries.Timeout = 30.0,
    canary_duration: canaries.Duration = "1h",
    canary_endpoint: canaries.Endpoints = None,
    canary_ca_file: canaries.CaFile = None,
    tracing_endpoint: pages.TracingEndpoint = "",
    log_format: pages.LogForm = LogFormat.JSON,
    log_level: pages.LogFrom = LogLevel.INFO,
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
        WatchOptions,
        WorkOptions,
        own_namespace,
    )
    from issuer.controller.process.run import run_controller
    from issuer.controller.renewals.loops import LoopLimits
    from issuer.controller.trust.targets import BadTrustTarget, TrustTargets
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
            trust=TrustTargets(tuple(trust_config_map or ()), cluster_trust_bundles),
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
    except (
        OptionsError,
        BackendError,
        BadTarget,
        BadTrustTarget,
        ConfigError,
        ListenError,
        OSError,
    ) as error:
        typer.echo(f"vault-issuer controller can't start: {error}", err=True)
        code = 2
    raise typer.Exit(code)
