"""Wakes other processes after a commit; nothing depends on it for correctness."""
