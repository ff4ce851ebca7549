"""Ownership of work: one leader, or several replicas that share the requests as shards with a Lease each.

- `options`: the settings of replicas that share the work.
- `ownership`: what is asked before a request is started, signed or reported.
- `assignment`: pure; the shard of a request, and the replica that should have a shard.
- `lease_labels`: names and marks of the Leases.
- `lease_reader`: the Leases as they were just read: who lives, what is free.
- `provisioner`: makes the Leases of the shards, and removes those of another number of shards.
- `work`: claiming and releasing a shard in the queues and stores of this process.
- `shard`: one shard from taking its Lease to giving it back.
- `replica`: joins them for one process.

Only a Lease decides who works on a shard. What a replica thinks of the others decides no more than which
Leases it tries to take and which it gives back.
"""
