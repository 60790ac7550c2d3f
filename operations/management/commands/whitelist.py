"""`manage.py whitelist`: networks that rules and blacklist do not concern (M-071)."""

from __future__ import annotations

from operations.listcommand import ListCommand
from operations.models import WhitelistEntry


class Command(ListCommand):
    help = "Lists, adds, deletes, imports and exports networks that are never blocked."
    model = WhitelistEntry
    name = "whitelist"
