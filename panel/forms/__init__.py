"""What people fill in: fields, units and syntax; the rules are in the services."""
