"""manage.py serve_web: the panel's web server alone."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.core.wsgi import get_wsgi_application

from listeners import readiness
from listeners.base import Endpoint, open_socket
from mailhost import firststart, privileges
from mailhost.web import Application, Door, Server

log = structlog.get_logger(__name__)

HTTP, HTTPS = 80, 443
CERTIFICATE_CHECK_SECONDS = 60.0


class Command(BaseCommand):
    help = "Runs the panel's web server alone, with and without TLS."

    def handle(self, *args: Any, **options: Any) -> None:
        privileges.follow_supervisor()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        serve(get_wsgi_application(), stop, certificate=firststart.certificate())


def serve(application: Application, stop: threading.Event, *, certificate: Path) -> None:
    """Answer until `stop`; a new certificate file is taken in by itself."""
    plain = Server(application, Door(_open(HTTP)))
    plain.start()
    door = Door(_open(HTTPS), certificate)
    secured = Server(application, door)
    secured.start()
    taken_in = certificate.stat().st_mtime_ns
    readiness.tell_ready([_listening(HTTP), _listening(HTTPS)])
    while not stop.wait(CERTIFICATE_CHECK_SECONDS):
        if certificate.exists() and certificate.stat().st_mtime_ns != taken_in:
            taken_in = certificate.stat().st_mtime_ns
            secured = _renew(secured, Server(application, door))
    ending = [
        threading.Thread(target=server.drain, args=(settings.MAILHOST_DRAIN_SECONDS,))
        for server in (plain, secured)
    ]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join()


def _renew(old: Server, new: Server) -> Server:
    try:
        new.start()
    except Exception as error:  # whatever granian makes of a bad file: the old one goes on
        log.error("certificate cannot be taken in", error=str(error))
        return old
    old.drain(settings.MAILHOST_DRAIN_SECONDS)
    log.info("certificate taken in")
    return new


def _open(port: int) -> socket.socket:
    endpoint = Endpoint(settings.MAILHOST_BIND, port + settings.MAILHOST_PORT_OFFSET)
    try:
        return open_socket(endpoint)
    except OSError as error:
        raise CommandError(
            f"cannot listen on {endpoint.ip} port {endpoint.port}: {error}"
        ) from None


def _listening(port: int) -> readiness.Listening:
    return readiness.Listening(
        "panel", settings.MAILHOST_BIND, port + settings.MAILHOST_PORT_OFFSET, port == HTTPS
    )
