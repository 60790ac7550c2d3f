"""Where delivered mail lives: folders, messages, flags, quotas, and what changed."""
