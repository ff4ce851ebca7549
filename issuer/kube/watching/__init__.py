"""Handlers kept in step with resources.

- `reflector`: a list and a watch of one resource, for one handler.
- `group`: several reflectors of one resource as one.
"""
