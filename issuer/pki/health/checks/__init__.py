"""The checks of `pki health`: facts in, findings out. Pure.

A check that needs a path which could not be read raises NotReadable; the others go on.

- `check`: what a check is given, and how it tells a finding.
- `authorities`, `roles`, `mounts`: those of `bao pki health-check`, by the same names and verdicts.
- `names`, `lifetimes`: default issuer, names, permissive roles; which lifetime ends before another.
- `access`: auth roles and the policies that they give.
- `endpoints`: what the URLs in certificates answered.
"""
