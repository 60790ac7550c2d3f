"""The Sharing tab: what users of the domain may share with each other (D-093…D-099)."""

from __future__ import annotations

from domains.models.tab import Tab, switch


class DomainSharing(Tab):
    global_address_list = switch(True, "Users see each other's profiles.")
    calendars = switch(True, "Calendars can be shared.")
    contacts = switch(True, "Contact lists can be shared.")
    folders = switch(True, "Mail folders can be shared.")
    notes = switch(True, "Notes can be shared.")
    tasks = switch(True, "Task lists can be shared.")

    class Meta:
        verbose_name = verbose_name_plural = "sharing"
