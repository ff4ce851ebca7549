"""Health of PKI mounts as they are now, with or without a file: findings, and the lines that mend them.

Contract: reads alone, of Vault and of the URLs that certificates carry; nothing in Vault is changed. The
checks are pure and share what was read.

- `finding`: one finding, severities, and the report of a run.
- `parameters`: thresholds by check, named and given as for `bao pki health-check`.
- `facts`: a mount, an auth method and a policy as read; a check that needs what may not be read stops alone.
- `pointers`: URLs that an issuer writes into certificates, and those in CA certificates. Pure.
- `ocsp`: OCSP requests, and the signatures of answers. Pure.
- `gathering`, `fetching`: reads of Vault, and of URLs. All I/O.
- `checks/`: the checks, a module for each group. Pure.
- `fixes`: lines of `pki.yaml`. `textfile`: metrics for Prometheus. `show`: for people. `running`: the run.
"""
