"""Requests for certificates as the API server sends them, and the statuses that answer them.

Pure: no I/O, no clock. Two kinds are read behind one interface, `request.Request`: cert-manager's
CertificateRequest and Kubernetes' CertificateSigningRequest.

Bottom-up: `reasons` (faults of a request itself), `reason_message` (writes and reads messages that begin
with a reason), `conditions` (reading and setting conditions), `status` (one function an answer), `request`
(the interface and its keys), `finalizer` (keeps a request until its certificate is revoked),
`certificate_request` and `kubernetes_csr` (the two kinds), `kinds` (class by key).
Signing, policies and controllers are unknown here.
"""
