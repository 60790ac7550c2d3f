"""Backup of the whole server, or of one domain, while it runs; and restoring it (X-032)."""
