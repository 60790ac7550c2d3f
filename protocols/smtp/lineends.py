"""Whether text keeps to the one line end that mail knows. RFC 5321 §2.3.8."""

from __future__ import annotations


def are_crlf(text: bytes) -> bool:
    """Whether no CR and no LF stands alone.

    In ordinary text, counting pairs takes ten times as long as counting lines: `splitlines`
    takes CRLF, CR and LF each for one end.
    """
    ends = text.count(b"\n")
    if text.count(b"\r") != ends:
        return False
    is_open = bool(text) and text[-1] not in b"\r\n"
    return len(text.splitlines()) - is_open == ends
