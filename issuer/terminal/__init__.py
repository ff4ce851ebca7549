"""Output for people on a terminal or in a file: the only package that imports rich.

Contract: text is printed as it is, without markup, emoji or control characters; nothing here reads a cluster
or a file.

- `console`: where it goes.
- `tables`: sections, fields, lists and tables.
"""
