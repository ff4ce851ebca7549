"""What a name must look like to be read alike by everybody, by kind of name. Pure, and linear in its length.

Each function returns what is wrong, in words that complete "it ...", or None. The rules are those of the
RFCs, narrowed to what Go, OpenSSL, Java, Node and browsers agree on. Modules, bottom-up: `text` (characters
that nobody sees), `hosts`, `mail`, `uris`, `accounts` (otherNames), `common_names` (which names a common name
can stand for).

Written without possessive repeats and atomic groups of `re`, whose faults in early 3.11 let names pass, and
without the interpreter's Unicode tables: what is judged must not hang on the Python that judges it.
"""
