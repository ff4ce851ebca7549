"""Forms of names that all software reads alike, by kind of name. Pure, and linear in a name's length.

Each function returns what is wrong, in words that complete "it ...", or None. The rules are those of the
RFCs, narrowed to what Go, OpenSSL, Java, Node and browsers agree on. Modules, from the bottom up: `text`
(invisible characters), `hosts`, `mail`, `uris`, `accounts` (otherNames), `common_names` (common names that
stand for another name).

Written without possessive repeats and atomic groups of `re`, whose faults in early 3.11 let names pass, and
without the interpreter's Unicode tables: a decision must not depend on the version of Python.
"""
