"""Commands of `vault-issuer root`, an offline root: from options to what is printed.

- `options`, `wishes`: options that commands share, and wishes made of them over a ceremony file.
- `results`: what a command gives back, and what several of them ask, print and read.
- `making`, `signing`, `crls`: what is made, between a person and the files.
- `looking`: what is shown and checked.
- `commands`: the commands.
"""
