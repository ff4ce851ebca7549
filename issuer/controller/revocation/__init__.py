"""What becomes of certificates after they were issued: revoked when their request is deleted or replaced.

`marks` (the finalizer) and `plan` (what is due when) are pure. `store` keeps a few fields of each guarded
request, `guard` puts the finalizer on before signing, `reader` collects what the plan asks for, `reconciler`
carries it out, `release` takes the finalizers off by hand.
"""
