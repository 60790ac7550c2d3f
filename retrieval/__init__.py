"""Users' accounts on other servers, whose mail is fetched into their mailboxes."""
