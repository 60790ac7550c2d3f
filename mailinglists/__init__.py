"""Mailing lists: who is on them, who may post, what becomes of posts, whose mail comes back."""
