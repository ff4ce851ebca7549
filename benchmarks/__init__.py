"""Measurements on the testbed: ratios and costs within one run, never a time limit."""
