"""Several replicas at work: requests divided into shards, one Lease a shard, and who takes which.

- ``assignment``: pure; which shard a request belongs to, and which replica should have which shard.
- ``roster``: the Leases as they were just read: who lives, what is free.
- ``shard``: one shard from taking its Lease to giving it back.
- ``work``: what taking and giving back mean for queues and stores.
- ``replica``: joins them for one process.

Only a Lease decides who works on a shard. What a replica thinks of the others decides no more than which
Leases it tries to take and which it gives back.
"""
