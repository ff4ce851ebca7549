"""What ``vault-issuer status``, ``inspect`` and ``explain`` do below their options.

`reading` reads a cluster as somebody who may not see all of it. `standing` says how far a request is;
`target` and `case` find one with all that is about it, `contents` and `chains` decode it for the `report`,
and `why` says what holds it up and what to do. `overview` and `leases` look at the whole. Each makes the JSON
that ``-o json`` prints; `tables`, `request_tables` and `overview_tables` show it to people.
"""
