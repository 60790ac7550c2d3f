"""A whole server as a YAML file: read, compared with what is there, applied, and written."""
