"""The commands of IMAP, one family in each file."""
