"""The canary: a certificate asked for again and again, end to end, so that what breaks is known early.

`probe` is one run, for controller and command line alike; `prober` repeats it in the replica that leads;
`history` remembers what the runs found.
"""
