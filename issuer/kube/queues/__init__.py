"""Queues of keys to reconcile: `fairqueue` (the order), `parts` (several side by side), `workqueue`."""
