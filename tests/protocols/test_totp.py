"""One-time codes: the vectors of the RFCs, and what passes when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("step", "code"),
    [(0, "755224"), (1, "287082"), (2, "359152"), (3, "969429"), (9, "520489")],
)
def test_codes_are_those_of_rfc_4226_appendix_d(step: int, code: str) -> None:
    assert totp.code(SECRET, step) == code


@pytest.mark.spec("U-015")
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"),
        (1234567890, "89005924"), (2000000000, "69279037"), (20000000000, "65353130"),
    ],
)  # fmt: skip
def test_codes_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    assert totp.code(SECRET, totp.step_at(seconds), digits=8) == code


def test_a_code_passes_once_and_half_a_minute_around_its_time() -> None:
    now = 1_000_000_020
    code = totp.code(SECRET, totp.step_at(now))
    step = totp.matching_step(SECRET, code, unix_seconds=now)
    assert step == totp.step_at(now)
    assert totp.matching_step(SECRET, f" {code[:3]} {code[3:]}", unix_seconds=now) == step
    assert totp.matching_step(SECRET, code, unix_seconds=now, used_step=step) is None
    for away, passes in ((-60, False), (-30, True), (30, True), (60, False)):
        assert (totp.matching_step(SECRET, code, unix_seconds=now + away) is not None) is passes


@settings(max_examples=100)
@given(st.text(max_size=20), st.integers(0, 2**40))
def test_nothing_typed_raises(given: str, seconds: int) -> None:
    found = totp.matching_step(SECRET, given, unix_seconds=seconds)
    assert found is None or totp.code(SECRET, found) == "".join(given.split())


def test_the_address_says_who_and_where() -> None:
    address = totp.address(SECRET, issuer="MailHost mx.example", account="a&b@own.example")
    assert address == (
        "otpauth://totp/MailHost%20mx.example:a%26b@own.example"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=MailHost%20mx.example&digits=6&period=30"
    )
