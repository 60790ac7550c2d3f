"""MailHost under measurement, started by its own command."""

from tests.bench.systems import System


class MailHost(System):
    name = "MailHost"
