"""Steps of a migration: issuers, policies, roles and access, and the plan that orders them (`planning`)."""
