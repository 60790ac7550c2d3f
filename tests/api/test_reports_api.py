"""Reports by the API: read only, with the scopes of the resource, and nobody else's."""

from __future__ import annotations

from reports.models import DayCounts, Kind
from reports.series import EPOCH


def test_a_report_is_read_with_its_range(world, program):
    day = 20_000
    DayCounts.objects.create(domain_id=world.own.pk, account_id=0, day=day, received=5)
    asker = program(world.reseller, "reports:read")
    first = str(EPOCH.fromordinal(EPOCH.toordinal() + day))
    path = f"reports/domain-traffic/?domain=own.example&first={first}&last={first}"
    shown = asker.call("get", path).json()
    assert (shown["first"], shown["about"]) == (first, "own.example")
    assert shown["rows"][0][:2] == [f"{first}T00:00:00+00:00", 5]
    kinds = {item["kind"] for item in asker.call("get", "reports/").json()["items"]}
    assert "domain-users" in kinds and "system-volume" not in kinds
    assert {item["kind"] for item in program(world.root).call("get", "reports/").json()["items"]} \
        == set(Kind.values)  # fmt: skip


def test_others_reports_are_not_there(world, program):
    asker = program(world.reseller)
    for path, status in (
        ("domain-traffic/?domain=other.example", 404),
        ("domain-traffic/", 404),
        ("user-activity/?user=alice@other.example", 404),
        ("user-activity/?user=", 422),
        ("system-volume/", 403),
        ("domain-traffic/?domain=own.example&first=2030-01-02&last=2030-01-01", 422),
        ("domain-traffic/?domain=own.example&last=0001-01-01", 422),
        ("domain-traffic/?domain=own.example&inactive=1d", 422),
    ):
        assert asker.call("get", f"reports/{path}").status_code == status, path
    narrow = program(world.root, "domains:read")
    assert narrow.call("get", "reports/system-volume/").status_code == 403
    assert asker.call("post", "reports/", {}).status_code == 405
