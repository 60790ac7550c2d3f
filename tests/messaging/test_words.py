"""What one recipient reads."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import words
from messaging.words import Recipient

ADA = Recipient("Ada <b>{domain}</b>\n", "ada@own.example", "own.example")


def test_variables_become_the_recipients_and_nothing_in_them_is_looked_at_again() -> None:
    assert words.filled("Dear {name}: {x}", ADA) == f"Dear {ADA.name}: {{x}}"
    assert words.filled("<p>{name}</p>", ADA, is_html=True) == (
        "<p>Ada &lt;b&gt;{domain}&lt;/b&gt;\n</p>"
    )
    assert words.subject_line("For {name}\r\nBcc: x", ADA) == "For Ada <b>{domain}</b> Bcc: x"


def test_the_text_part_of_html_is_what_one_sees() -> None:
    html = "<style>p{}</style><h1>News</h1><p>One &amp; two<br>three</p><script>x()</script>"
    assert words.plain(html) == "News\nOne & two\nthree\n"


@settings(max_examples=150)
@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    words.plain(text)
    assert "\n" not in words.subject_line(text, ADA)
