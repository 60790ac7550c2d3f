"""The `spool` app."""

from django.apps import AppConfig


class SpoolConfig(AppConfig):
    name = "spool"
    verbose_name = "Spool"

    def ready(self) -> None:
        # Models can be imported only now.
        from importlib import import_module

        from accounts.closing import before_domain_goes
        from blobs.space import floor_from
        from spool import freespace
        from spool.closing import give_up_domain

        import_module("spool.lists.bounces")  # takes its mail by a table
        import_module("spool.lists.commands")
        before_domain_goes(give_up_domain)
        floor_from(freespace.floor)
