"""The doors for mail programs: SMTP, IMAP, POP3, LDAP."""
