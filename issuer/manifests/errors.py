"""The one error of these commands."""


class BadInput(Exception):
    """Something given can't be used. The message names the file or option, what is wrong, and what to do."""
