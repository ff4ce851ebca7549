"""Trust: the roots of cluster issuers, in a ConfigMap of each namespace that `spec.trust` selects, and in
ClusterTrustBundles.

Contract: what an issuer's own CAs prove is written, by the replica that leads, and only over what this
controller made. Nothing that is distributed is taken away for want of knowledge: only because the spec says
so, its issuer is gone for a while, or the CA's server is known not to have it any more.

Bottom-up: `targets` (what the operator lets be written), `reasons`, `roots` (which roots; pure), `claims`
(which issuer a ConfigMap belongs to; pure), `objects` (what is there), `steps` (what is to be done in one
namespace; pure), `repeats` (the rest between writes of the same), `ledger` (what is known and left to do),
`writer` (does it), `reporter` (the issuer's condition), `cluster_bundles` (one object for each issuer),
`issuers` (looks at one issuer), `distribution` (queues, watches and workers).
"""
