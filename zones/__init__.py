"""What must stand in the DNS zones of the hosted domains, and whether it does (G-030…G-032)."""
