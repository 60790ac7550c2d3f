"""LDAP: bind, search and compare in the directory of a user's domain. RFC 4511."""
