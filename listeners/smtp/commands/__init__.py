"""What each SMTP command does, one family to a file."""

from listeners.smtp.commands import auth, data, greeting, mail, rcpt
from listeners.smtp.session import HANDLERS

__all__ = ["HANDLERS", "auth", "data", "greeting", "mail", "rcpt"]
