"""The status page: what the controller knows of its work, for people, read-only.

- ``model``: what is shown, as plain data, and ``Source``, who fills it in.
- ``recent``: the last answers, and how many came each second.
- ``snapshot``: one look at the source, in slices, for all who watch.
- ``html``, ``drawing``, ``sections``, ``page``: the same as HTML; pure.
- ``live``: a snapshot a second while somebody watches, and only what changed for each of them.
- ``door``, ``sessions``: who may look. ``server``: HTTP around it, ``listener``: what strangers reach of it.

Nothing here decides or writes anything, and no secret comes in. ``controller`` stands above it.
"""
