"""A plan for people, as files, or carried out in a cluster."""
