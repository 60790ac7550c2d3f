"""Statistics, the reports made of them, and reports that are mailed."""
