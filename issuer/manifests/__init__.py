"""YAML documents that people give: read with their fields checked, and written as text safe for a terminal.

Bottom-up: `errors`, `text`, `fields`, `documents`, `rbac` (RoleBindings of `use`).
"""
