"""Backup of the whole server while it runs, and restoring it into an empty one (X-032)."""
