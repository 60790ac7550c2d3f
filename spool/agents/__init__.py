"""How a message leaves the spool: to a mailbox of ours, to another server."""
