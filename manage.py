#!/usr/bin/env python
"""Django's entry: `manage.py serve` runs the whole server."""

import gc
import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from mailhost import privileges

if __name__ == "__main__":
    # What is read at the start stays: to look through it again and again is a fifth of the start.
    gc.set_threshold(50_000)
    # Before the settings: what they make in MAILHOST_DATA shall belong to that user.
    privileges.drop(
        os.environ.get("MAILHOST_USER", ""),
        Path(os.environ.get("MAILHOST_DATA") or Path(__file__).resolve().parent / "data"),
    )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailhost.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"MailHost is not configured well: {error}")
