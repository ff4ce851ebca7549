"""Reading CSRs and certificates, building chains, and comparing what a CA returned with what was asked.

Pure: no I/O, no clock (time is a parameter), no state. Everything raised for bad input is an `X509Error`,
whatever bytes come in; sizes and work are bounded.
"""
