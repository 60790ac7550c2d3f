"""IDLE: changes are told as they happen, until DONE. RFC 2177."""

from __future__ import annotations

from listeners.imap.carriers import carries_out
from listeners.imap.session import Session
from protocols.imap import commands


@carries_out(commands.Idle)
def idle(session: Session, command: commands.Idle) -> None:
    session.idle_tag = session.tag
    session.reader.expect_line()
    session.send(b"+ idling\r\n")
    session.folder_changed()
