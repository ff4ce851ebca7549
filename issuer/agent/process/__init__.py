"""The agent's process, bottom-up.

- `records`: what happened to each set last, in files that `agent status` reads.
- `telling`: all consumers: hooks, and the old files again for one that refuses.
- `agent`: one server's session and its keepers; a step of all of them.
- `running`: steps again and again, at their times, until the process is told to stop.
- `joining`: a machine takes the ticket of its enrolment.
- `serviceuser`: the user of a service, and folders that it can write.
- `notify`, `units`: systemd told how the service is, and the definitions of services.
"""
