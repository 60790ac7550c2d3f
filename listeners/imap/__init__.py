"""The IMAP door: what the commands of protocols.imap do. RFC 3501."""
