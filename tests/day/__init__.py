"""A whole day of a provider, scripted: what goes wrong outside, and what the server says of it."""
