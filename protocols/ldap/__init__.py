"""LDAPv3 without its sockets: BER, requests, filters, names, responses. RFC 4511."""
