"""Internet messages: headers, the parts of a message as byte ranges, status notifications. RFC 5322, RFC 2045."""
