"""The status page: what the controller knows of its work, for people, read-only.

Contract: the page is told what to show through `model.Source`, an adapter of which stands in the controller.
Nothing here decides, signs or writes anything, and no secret comes in (import-linter contracts prove what is
not imported). Everything that makes HTML is pure.

Modules, from the bottom up:

- `model`: the facts that are shown, as plain data, and the `Source` that supplies them.
- `recent`: the last finished requests, and certificates per second; the controller feeds it.
- `snapshot`: the facts of one moment, read in slices, with each list of requests that a viewer asked for.
- `html`, `drawing`, `tables`, `verdict`, `sections`, `requests`, `page`: a snapshot as HTML; pure.
- `web`: HTTP around it: TLS, authentication, and live updates shared by all viewers.

Mock `Source` in tests (`tests/unit/statuspage/facts.py`); the server itself runs for real, on loopback.
"""
