"""The Event Restrictions tab: which event types the domain may use (E-001…E-030)."""

from __future__ import annotations

from domains.models.tab import Tab, switch


class DomainEventTypes(Tab):
    alias_added = switch(True, "A user alias was created.")
    alias_deleted = switch(True, "A user alias was removed.")
    calendar_reminder_occurred = switch(True, "The reminder of an appointment is due.")
    task_reminder_occurred = switch(True, "The reminder of a task is due.")
    message_received = switch(True, "A message was stored in a mailbox.")
    message_sent = switch(True, "A user's message was accepted for sending.")
    mailing_list_added = switch(True, "A mailing list was created.")
    mailing_list_deleted = switch(True, "A mailing list was removed.")
    message_sent_to_mailing_list = switch(True, "A post was accepted for distribution.")
    user_throttled = switch(True, "A user reached a throttle limit.")
    domain_throttled = switch(True, "The domain reached a throttle limit.")
    user_added = switch(True, "A mailbox was created.")
    user_deleted = switch(True, "A mailbox was removed.")
    user_disk_space_used = switch(True, "A mailbox crossed a threshold of its space.")

    class Meta:
        verbose_name = verbose_name_plural = "event restrictions"
