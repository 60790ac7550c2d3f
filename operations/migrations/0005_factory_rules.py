"""The rules that a new server begins with (M-061…M-065)."""

from django.db import migrations

MINUTE = 60
# kind, service, minutes of the window, events, minutes of the block, action
FACTORY = [
    *(("connections", service, 5, 50, 5, "block") for service in ("smtp", "pop", "imap", "ldap")),
    ("harvesting", "smtp", 5, 20, 60, "block"),
    ("guessing", "", 10, 10, 30, "block"),
    ("spamming", "", 15, 200, 60, "notify"),
]


def add_rules(apps, schema_editor):
    apps.get_model("operations", "AbuseRule").objects.bulk_create(
        apps.get_model("operations", "AbuseRule")(
            kind=kind,
            service=service,
            window_seconds=window * MINUTE,
            threshold=threshold,
            block_seconds=block * MINUTE,
            action=action,
        )
        for kind, service, window, threshold, block, action in FACTORY
    )


class Migration(migrations.Migration):
    dependencies = [("operations", "0004_services_and_blocks")]

    operations = [migrations.RunPython(add_rules, migrations.RunPython.noop)]
