"""The settings of transport security, from this process's memory."""

from __future__ import annotations

from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow
from protocols.address import Address, MalformedAddress
from transport.models import TransportSettings


def _check(row: TransportSettings) -> None:
    if not row.report_contact:
        return
    try:
        Address.parse(row.report_contact)
    except MalformedAddress:
        problem = Problem("report_contact", "must be an address")
        raise ValuesRefused((problem,)) from None


TRANSPORT = SingleRow(TransportSettings, "transport", _check)
