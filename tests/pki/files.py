"""Files that several tests apply. `${T}` is the test's prefix."""

from __future__ import annotations

from typing import Final

TWO_TIER: Final = """\
version: 1
foundation:
  mounts:
    ${T}-root:
      description: Root CA
      tune: {max_lease_ttl: 87600h}
      urls:
        issuing_certificates: ["http://vault.example.test:8200/v1/${T}-root/ca"]
        crl_distribution_points: ["http://vault.example.test:8200/v1/${T}-root/crl"]
      defaultIssuer: ${T}-root-2026
  authorities:
    ${T}-root-2026:
      mount: ${T}-root
      subject: {commonName: Example Root CA, organization: [Example]}
      lifetime: 87600h
      maxPathLength: 1
  policies:
    ${T}-sign:
      generate: {sign: ["${T}-int/web"], revoke: ["${T}-int"], protect: ["${T}-root"]}
  auth:
    ${T}-approle:
      type: approle
      roles:
        web: {token_policies: "${T}-sign", token_ttl: 20m, token_bound_cidrs: 127.0.0.1/32,
              secret_id_bound_cidrs: [127.0.0.0/8], secret_id_ttl: 24h, token_period: 1h}
mounts:
  ${T}-int:
    exclusive: true
    tune:
      max_lease_ttl: 1825d
      audit_non_hmac_request_keys: [csr, common_name]
    cluster:
      path: http://vault.example.test:8200/v1/${T}-int
      aia_path: http://vault.example.test:8200/v1/${T}-int
    urls:
      enable_templating: true
      issuing_certificates: "{{cluster_aia_path}}/issuer/{{issuer_id}}/der"
      crl_distribution_points: "{{cluster_aia_path}}/issuer/{{issuer_id}}/crl/der"
      ocsp_servers: "{{cluster_path}}/ocsp"
    crl: {auto_rebuild: true, enable_delta: true, expiry: 3d}
    autoTidy: {enabled: true, tidy_cert_store: true, tidy_revoked_certs: true, interval_duration: 12h}
    defaultIssuer: ${T}-int-2026
    roles:
      web:
        allowed_domains: example.test,lab.example.test
        allow_subdomains: true
        key_type: ec
        max_ttl: 30d
        ttl: 24h
authorities:
  ${T}-int-2026:
    mount: ${T}-int
    signedBy: ${T}-root-2026
    subject: {commonName: Example Intermediate CA, organization: [Example]}
    key: {type: ec, bits: 256}
    lifetime: 1825d
    maxPathLength: 0
"""

IMPORTED: Final = """\
foundation:
  mounts:
    ${T}-pki:
      tune: {max_lease_ttl: 43800h}
      urls: {issuing_certificates: ["http://vault.example.test:8200/v1/${T}-pki/ca"]}
      defaultIssuer: ${T}-home
  authorities:
    ${T}-home:
      mount: ${T}-pki
      import: {bundle: bundle.pem, passphrase: "${PASSPHRASE}"}
"""

OFFLINE: Final = """\
mounts:
  ${T}-env:
    tune: {max_lease_ttl: 26280h}
    urls: {issuing_certificates: ["http://vault.example.test:8200/v1/${T}-env/ca"]}
    defaultIssuer: ${T}-env-ca
    roles:
      web: {allowed_domains: example.test, allow_subdomains: true, max_ttl: 720h}
authorities:
  ${T}-env-ca:
    mount: ${T}-env
    subject: {commonName: Environment CA}
    lifetime: 26280h
    offline: {request: env.csr, certificate: env.pem}
"""
