"""DKIM: keys of hosted domains, and what is signed with them (F-040…F-042, D-069)."""
