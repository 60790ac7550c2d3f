"""How to speak: grammars without sockets, clock or Django. Bytes to values, values to bytes."""
