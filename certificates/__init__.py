"""By which certificates this server is known, where they come from and when they end."""
