"""Handlers kept in step with resources. Modules, from the bottom up:

- `source`: pages and events of one resource.
- `handler`: what a handler does, and the calls of one, which no odd object ends.
- `listing`: whole lists, as streams or in pages.
- `reflector`: lists and watches one resource for one handler, whatever the server does.
- `group`: several reflectors of one resource as one.
"""
