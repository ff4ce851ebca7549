"""Carries the steps of a plan out, in order; stops at the first that fails, with what is done and left.

- `applying`: the steps. What an authority needs is in `authorities.making`.
- `progress`: lines for people while it runs.
"""
