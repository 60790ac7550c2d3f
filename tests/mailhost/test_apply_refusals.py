"""What a file cannot say is refused, each problem at its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.models import Domain
from mailhost.provisioning.nodes import Unreadable
from mailhost.provisioning.reading import read
from spool.models import Gateway
from tests.factories import verifiers
from tests.mailhost.applying import EXAMPLE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.spec("U-014")
def test_weak_passwords_need_the_option(apply: Any) -> None:
    run = apply(EXAMPLE)
    assert "the password has fewer than 10 characters" in run.problems[0]
    assert run.problems[0].startswith("4:12: admin")
    assert not Domain.objects.exists()
    assert Gateway.objects.exists(), "other parts of the file are applied"
    assert run.failure


def test_every_problem_has_its_line_and_column_and_nothing_is_changed(apply: Any) -> None:
    run = apply(
        """\
        domains:
          - name: example.com
            limit: {users: 1200}
            limits: {users: -3, max_message_size_kb: many, disk_space_mb: 0, disk_space_mb: 1}
            priority: {standard: 11}
            technical: {smtp_port: 70000, pop_port: 010}
            features: [calendar]
            users:
              - {username: alice, password: secret123, password_hash: x}
              - {username: ALICE, pasword: secret123}
              - {username: "b b", status: off}
              - {username: carol, pop_access: maybe, full_name: [x], mailbox_size_mb: 1.5}
              - password: x
            user_aliases:
              - {name: sales, targets: {alice: bob}}
            domain_aliases: [example..net]
        gateways:
          - {name: sink, host: 127.0.0.1, port: 0}
        settings: {logn: {}}
        """
    )
    places = [problem.split(" ")[0] for problem in run.problems]
    assert places == [
        "3:5:", "4:21:", "4:46:", "4:70:", "5:26:", "6:28:", "6:45:", "7:15:", "9:63:", "10:9:",
        "10:27:", "11:20:", "12:39:", "12:57:", "12:79:", "13:9:", "15:32:", "16:22:", "18:41:",
        "19:12:",
    ]  # fmt: skip
    assert "perhaps 'limits'?" in run.problems[0]
    assert run.failure == "nothing was changed"
    assert not Domain.objects.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "did not find"),
        ("- x", "must be a mapping"),
        ("domains: &a [*a]", "must be a mapping"),
        ("domains: {}", "must be a list"),
        ("x:\ty: z", ""),
        ("domains: !!python/object/apply:os.system [ls]", "must be a mapping"),
        ("--- a\n--- b", "expected a single document"),
    ],
)
def test_what_is_no_such_file_is_refused(apply: Any, text: str, problem: str) -> None:
    run = apply(text)
    assert problem in run.problems[0] or "found" in run.problems[0]
    assert run.failure == "nothing was changed"


@given(st.text(max_size=200) | st.from_regex(r"[a-z&*:{}\[\]\-, \n]{0,80}", fullmatch=True))
@settings(max_examples=200)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except Unreadable as error:
        assert error.problems


def test_a_domain_with_a_problem_is_left_alone_and_the_others_are_applied(apply: Any) -> None:
    hashed = verifiers().password
    run = apply(
        f"""\
        domains:
          - name: bad.example
            admin: {{username: admin, password_hash: "{hashed}"}}
            limits: {{users: 2}}
            users: [{{username: a}}, {{username: b}}]
          - name: noadmin.example
          - name: good.example
            admin: {{username: admin, password_hash: "{hashed}"}}
          - name: loop.example
            admin: {{username: admin, password_hash: "{hashed}"}}
            user_aliases:
              - {{name: a, targets: [b]}}
              - {{name: b, targets: [a]}}
        """
    )
    assert run.problems == [
        "2:5: the limit of 2 users is reached",
        "6:5: noadmin.example is new: it needs an admin with a username",
        "12:9: the alias would loop: a@loop.example -> b@loop.example -> a@loop.example",
    ]
    assert [domain.name for domain in Domain.objects.all()] == ["good.example"]
    assert run.failure == "3 parts of the file were not applied"
