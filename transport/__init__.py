"""Which encryption mail to other servers must have, and reports on it (S-055)."""
