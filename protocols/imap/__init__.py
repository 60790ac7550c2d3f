"""IMAP: grammar, commands and responses as values. RFC 3501, RFC 9051."""
