"""Who: users, roles, aliases, logging in, permissions."""
