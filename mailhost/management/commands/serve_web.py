"""manage.py serve_web: the panel's web server alone."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.core.wsgi import get_wsgi_application

from blobs.committer import stop_process_committer
from certificates import files
from certificates.errors import CertificateRefused
from jobs.stopping import Stop
from listeners import readiness
from listeners.sockets import Endpoint, open_socket
from mailhost import firststart, privileges
from mailhost.keeper import Keeper
from mailhost.web import Application, Door, Server
from operations import logcounts

log = structlog.get_logger(__name__)

HTTP, HTTPS = 80, 443
CERTIFICATE_CHECK_SECONDS = 2.0


class Command(BaseCommand):
    help = "Runs the panel's web server alone, with and without TLS."

    def handle(self, *args: Any, **options: Any) -> None:
        privileges.follow_supervisor()
        stop = Stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        firststart.certificate()
        logcounts.follow_in_thread()
        keeper = Keeper()
        serve(get_wsgi_application(), stop, when_ready=keeper.start)
        keeper.stop()


def serve(application: Application, stop: Stop, *, when_ready: Callable[[], object]) -> None:
    """Answer until `stop`; a new certificate is taken in by itself."""
    plain = Server(application, Door(_open(HTTP)))
    plain.start()
    secured = _SecuredDoor(application, _open(HTTPS))
    readiness.give_back_memory()
    readiness.tell_ready([_listening(HTTP), _listening(HTTPS)])
    when_ready()
    while not stop.wait(CERTIFICATE_CHECK_SECONDS):
        secured.follow()
    ending = [
        threading.Thread(target=drain, args=(settings.MAILHOST_DRAIN_SECONDS,))
        for drain in (plain.drain, secured.drain)
    ]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join()
    stop_process_committer(settings.MAILHOST_DRAIN_SECONDS)


class _SecuredDoor:
    """The TLS port; another server takes it over when there is another certificate.

    granian ends the whole process over a certificate that it does not like, so it is given none
    that has not been read before.
    """

    def __init__(self, application: Application, opened: socket.socket) -> None:
        self._application = application
        self._opened = opened
        self._stamps = files.stamps()
        try:
            self._shown, self._fingerprint = _certificate()
        except CertificateRefused as error:
            raise CommandError(str(error)) from None
        self._server = self._start()

    def follow(self) -> None:
        """Look whether the certificate has changed; requests in hand are finished by the old."""
        stamps = files.stamps()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            shown, fingerprint = _certificate()
        except CertificateRefused as error:
            log.error("certificate cannot be taken in", error=str(error))
            return
        if (shown, fingerprint) == (self._shown, self._fingerprint):
            return
        self._shown, self._fingerprint = shown, fingerprint
        old, self._server = self._server, self._start()
        old.drain(settings.MAILHOST_DRAIN_SECONDS)
        log.info("certificate taken in", file=shown.name)

    def drain(self, seconds: float) -> bool:
        return self._server.drain(seconds)

    def _start(self) -> Server:
        server = Server(self._application, Door(self._opened, self._shown))
        server.start()
        return server


def _certificate() -> tuple[Path, str]:
    """The file to show, and what tells a new one. Raises CertificateRefused."""
    path = files.shown_without_name(settings.MAILHOST_HOSTNAME)
    return path, files.read(path).fingerprint


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
