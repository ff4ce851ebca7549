"""Error of commands about what they were given."""


class BadInput(Exception):
    """Input that can't be used. The message names the file or option, what is wrong, and what to do."""
