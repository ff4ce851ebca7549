"""A Vault that was set up by hand becomes a file: the reverse of `resources/` and `authorities/`.

- `choice`: which mounts, policies and auth methods are exported.
- `reading`: reads all of them. I/O is here alone.
- `document`: the file as data, with comments by path; what is left out, and why. Pure.
- `fields`: what Vault reads back, without its own defaults. Pure.
- `mounts`, `authorities`, `access`: the parts of the document. Pure.
- `admitting`: takes in what the file's own checks allow; the rest becomes a comment. Pure.
- `text`: the document as YAML with comments. Pure.
- `exporting`: one export: read, build, and plan the result, which must be empty.

A key, a token or a password is never in a file: Vault gives none of them back, and what is set but can't be
read becomes `${VARIABLE}`.
"""
