"""Sizes and moments in the words that every page, command and mail has for them (X-001)."""
