"""Replies of another SMTP server: bytes to Reply values, bounded. RFC 5321 §4.2."""

from __future__ import annotations

import re
from functools import lru_cache

from protocols.smtp.replies import Reply

MAX_LINE_BYTES = 4096  # RFC 5321 §4.5.3.1.5 says 512; the world sends more
MAX_LINES = 256
MAX_TEXT_BYTES = 8192  # text beyond is dropped, the reply still counts

# RFC 3463 §2: the class is the first digit of the code.
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: +|$)", re.ASCII)
_CODES = {b"%d" % code: code for code in range(200, 600)}
_CONTROLS = {code: " " for code in (*range(32), *range(127, 160)) if code != 10}


class _Garbage(Exception):
    def __init__(self, line: bytes) -> None:
        self.line = line


class ReplyReader:
    """Collects bytes and gives whole replies; a lone LF ends a line too."""

    __slots__ = ("_code", "_lines", "_rest", "_text_bytes", "_texts", "garbage")

    def __init__(self) -> None:
        self.garbage: bytes | None = None  # what came instead of a reply; nothing is read after it
        self._rest = b""
        self._code: int | None = None  # of the multi-line reply being read
        self._texts: list[bytes] = []
        self._text_bytes = 0
        self._lines = 0

    @property
    def has_more(self) -> bool:
        """Part of a reply waits for its end."""
        return bool(self._rest) or self._code is not None

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes; `garbage` tells whether they were the last ones."""
        replies: list[Reply] = []
        if self.garbage is not None:
            return replies
        *lines, self._rest = (self._rest + data if self._rest else data).split(b"\n")
        try:
            for line in lines:
                reply = self._read_line(line[:-1] if line[-1:] == b"\r" else line)
                if reply is not None:
                    replies.append(reply)
            if len(self._rest) > MAX_LINE_BYTES:
                raise _Garbage(self._rest)
        except _Garbage as error:
            self.garbage = error.line[:200]
            self._rest, self._texts = b"", []
        return replies

    def _read_line(self, line: bytes) -> Reply | None:
        code = _CODES.get(line[:3])
        mark = line[3:4]
        # RFC 5321 §4.2.1: one code on all lines of a reply.
        if code is None or mark not in b" -" or self._code not in (None, code):
            raise _Garbage(line)
        if mark != b"-" and self._code is None and len(line) <= MAX_LINE_BYTES:
            return make_reply(code, line[4:])
        return self._read_long(code, line, is_last=mark != b"-")

    def _read_long(self, code: int, line: bytes, *, is_last: bool) -> Reply | None:
        self._lines += 1
        if self._lines > MAX_LINES or len(line) > MAX_LINE_BYTES:
            raise _Garbage(line)
        self._text_bytes += len(line)
        if self._text_bytes <= MAX_TEXT_BYTES:
            self._texts.append(line[4:])
        self._code = code
        if not is_last:
            return None
        text = b"\n".join(self._texts)
        self._code, self._texts, self._text_bytes, self._lines = None, [], 0, 0
        return make_reply(code, text)


@lru_cache(maxsize=128)  # a server says the same to MAIL and RCPT of each message
def make_reply(code: int, text: bytes) -> Reply:
    """A Reply out of `text`, its lines joined by LF: the enhanced code is taken off each line."""
    words = text.decode("utf-8", "replace")
    if not words.isprintable():
        words = words.translate(_CONTROLS)
    found = _ENHANCED.match(words)
    if found is None or words[0] != str(code)[0]:
        return Reply(code, "", words)
    enhanced = found[1]
    if "\n" not in words:
        return Reply(code, enhanced, words[found.end() :])
    lines = [line.removeprefix(enhanced).lstrip(" ") for line in words.split("\n")]
    return Reply(code, enhanced, "\n".join(lines))
