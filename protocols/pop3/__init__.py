"""POP3: commands and replies as values. RFC 1939."""
