"""The seam to whatever signs: `signer.Signer` (check, sign), its requests and results, and typed `outcomes`.

`backend` describes what signs for some kinds of issuers, `backends` loads the built-in ones and those that
the operator names, and `contract` is the suite of tests that each must pass. One package per built-in backend
(`vault`, `step`). A backend translates its own errors into `outcomes`, and nothing else leaves it. An
outcome's type says whom it concerns; its reason is a member of an enum, of `reasons` where any backend may
raise it, else of the backend's own. `commands` show what is wrong with any server, `lives` are bounds that a
CA tells before it signs, `contents` the names of a request. What not every backend can do is a Protocol of
its own in `signer`: revoke, know its CAs, give advice.
"""
