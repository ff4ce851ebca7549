"""Patterns of allowed values: `wildcard`, and on top of it `names` and `uris`, where a star is narrower."""
