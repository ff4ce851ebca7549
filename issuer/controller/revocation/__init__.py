"""Revocation of issued certificates whose request is deleted or replaced.

`plan` (what is due when) is pure. `store` keeps a few fields of each request with our finalizer,
`add_finalizer` puts it on before signing, `reader` collects what the plan asks for, `reconciler` carries it
out, `release` takes finalizers off by hand.
"""
