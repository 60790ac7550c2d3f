"""SMTP: commands, replies and parameters as values. RFC 5321."""
