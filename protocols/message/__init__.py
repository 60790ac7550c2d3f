"""Internet messages: header, parts as byte ranges, trace and status reports. RFC 5322, 2045."""
