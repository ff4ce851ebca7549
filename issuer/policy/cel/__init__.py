"""Rules in the Common Expression Language: compiled once, bounded in cost, evaluated.

From the bottom up: `syntax` (the syntax tree), `regex` (the cost of a regular expression), `cost` (that of a
rule), `expressions` (compiling and evaluating).
"""
