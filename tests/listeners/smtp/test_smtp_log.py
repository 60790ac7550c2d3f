"""What administrators of a domain read of SMTP sessions (M-080)."""

from __future__ import annotations

from logbook.kinds import Kind
from tests.logs import logged_in


def test_whom_a_message_is_for_besides_stands_in_no_line_for_the_others(talk, tmp_path):
    with logged_in(tmp_path) as lines:
        one = talk()
        one.hello()
        one.say("MAIL FROM:<eve@outside.test>")
        for address in ("alice@example.com", "bob@Example.COM", "admin@lenient.test"):
            assert one.say(f"RCPT TO:<{address}>").startswith("250"), address
        one.say("QUIT")
        mine, theirs, senders = (
            str(lines(Kind.SMTP, name)) for name in ("example.com", "lenient.test", "outside.test")
        )
    assert "alice@example.com" in mine and "bob@Example.COM" in mine and "lenient" not in mine
    assert "admin@lenient.test" in theirs and "example.com" not in theirs.lower()
    assert "alice@example.com" in senders and "admin@lenient.test" in senders
