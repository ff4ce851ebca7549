"""Rules in the Common Expression Language: compiled once, bounded in cost, evaluated.

Bottom-up: `syntax` (the syntax tree), `regex` (the cost of a regular expression), `cost`, `expressions`.
"""
