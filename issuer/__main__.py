"""`python -m issuer`: the command without its launcher, as the image runs it."""

from issuer.cli.main import main

main()
