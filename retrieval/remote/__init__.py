"""Sessions with the servers that mail is fetched from."""
