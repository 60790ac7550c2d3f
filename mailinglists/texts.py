"""Texts of several lines that a list keeps, as they may be set."""

from __future__ import annotations

from domains.errors import Problem

LONGEST = 10_000
FIELDS = ("header_text", "footer_text", "welcome_text", "goodbye_text", "help_text")


def read(name: str, value: object) -> str | Problem:
    """The text with line feeds, or what is wrong with it."""
    if not isinstance(value, str):
        return Problem(name, "must be a text")
    text = value.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if len(text) > LONGEST:
        return Problem(name, f"must not be longer than {LONGEST} characters")
    if any(_is_control(character) for character in text):
        return Problem(name, "must not have control characters")
    return text


def _is_control(character: str) -> bool:
    number = ord(character)
    return (number < 32 and character not in "\n\t") or 127 <= number < 160 or _is_half(number)


def _is_half(number: int) -> bool:
    """Half of a surrogate pair, which no database keeps."""
    return 0xD800 <= number < 0xE000
