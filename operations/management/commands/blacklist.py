"""`manage.py blacklist`: networks that are never let in (M-070)."""

from __future__ import annotations

from operations.listcommand import ListCommand
from operations.models import BlacklistEntry


class Command(ListCommand):
    help = "Lists, adds, deletes, imports and exports networks that are never let in."
    model = BlacklistEntry
    name = "blacklist"
