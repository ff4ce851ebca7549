"""Commands on what is in a Kubernetes cluster: issuers, requests, policies, and how they are set up.

- `status`, `inspect`, `policy`: what is there, and what a request would get. `advice`: what to do, as YAML.
- `crds`, `ready`, `migrate`: installing, waiting for it, and coming from another issuer.
- `renew`, `revocation`, `canary`: what asks for certificates again, lets requests go, and tries issuers.
"""
