"""How notes travel: inside a process, on one machine, between machines."""
