"""The logs for people: one file for each service and day, written beside the work."""
