"""What services refuse, as problem details: one table from fact to status. RFC 9457."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from accounts import errors as of_accounts
from accounts.recyclebin import DomainRecycled, RecycledUnknown
from accounts.usercsv import FileRefused
from administration import errors as of_administration
from archive import errors as of_archive
from certificates import errors as of_certificates
from domains import errors as of_domains
from domains.claims import ClaimUnknown
from domains.errors import Problem, Refused, ValuesRefused
from domains.localparts import LocalPartMalformed
from jobs import errors as of_jobs
from mailboxes.errors import ExportGone, NoRoomForExport
from mailinglists import errors as of_lists
from messaging import errors as of_messaging
from operations import errors as of_operations
from reports.errors import ReportUnknown, ScheduleUnknown
from retrieval.errors import NotFetchable, RetrievalUnknown, TriedTooOften
from signing.errors import KeysWaiting, KeyUnknown
from spool.errors import MessageUnknown
from spool.holding import RuleFitsAll
from spool.lost import LostUnknown
from spool.requeueing import NotRequeued
from spool.selection import NothingSelected
from spool.services import PriorityOutOfRange
from spool.throttled import NotThrottled
from spool.undoing import NotUndoable
from spool.ways import WayMalformed

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPES = "/api/problems/"


class PreconditionMissing(Exception):
    """A change without If-Match. RFC 6585 §3."""

    def __str__(self) -> str:
        return "say in If-Match which version you saw; `*` means whichever there is"


class PreconditionFailed(Exception):
    """If-Match names another version than there is. RFC 9110 §13.1.1."""

    def __str__(self) -> str:
        return "it was changed after you had read it; nothing was overwritten"


@dataclass(eq=False)
class KeyReused(Exception):
    """An Idempotency-Key came again with another request."""

    key: str

    def __str__(self) -> str:
        return "this Idempotency-Key was used for another request"


@dataclass(eq=False)
class StillBeingAnswered(Exception):
    """The first request with this Idempotency-Key has not ended yet."""

    key: str

    def __str__(self) -> str:
        return "the first request with this Idempotency-Key is still being answered"


class NotFound(Exception):
    """Nothing is there, or nothing that the actor may see."""

    def __str__(self) -> str:
        return "there is nothing here, or nothing for you"


@dataclass(eq=False)
class NameFixed(Exception):
    """A change of a domain holds another name than it has (D-031)."""

    name: str

    def __str__(self) -> str:
        return f"its name is {self.name}: POST to …/rename/ gives it another one"


class EncryptionNeeded(Exception):
    """A token must not cross the wire in the clear (N-006)."""

    def __str__(self) -> str:
        return "use HTTPS: a token that has crossed the wire in the clear should be revoked"


class ScopeMissing(Exception):
    """The token is not good for this."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope

    def __str__(self) -> str:
        return f"the token lacks the scope {self.scope}"


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    slug: str
    title: str


NOT_FOUND = Kind(404, "not-found", "Not found")
VALUES_REFUSED = Kind(422, "values-refused", "Values that cannot be taken")

KINDS: dict[type[Exception], Kind] = {
    NotFound: NOT_FOUND,
    Http404: NOT_FOUND,
    of_domains.DomainUnknown: NOT_FOUND,
    of_accounts.UserUnknown: NOT_FOUND,
    of_accounts.AliasUnknown: NOT_FOUND,
    of_accounts.ImpersonationOver: NOT_FOUND,
    ClaimUnknown: NOT_FOUND,
    of_jobs.JobUnknown: NOT_FOUND,
    ReportUnknown: NOT_FOUND,
    ScheduleUnknown: NOT_FOUND,
    RetrievalUnknown: NOT_FOUND,
    of_lists.ListUnknown: NOT_FOUND,
    of_lists.SubscriberUnknown: NOT_FOUND,
    of_lists.HeldPostUnknown: NOT_FOUND,
    MessageUnknown: NOT_FOUND,
    LostUnknown: NOT_FOUND,
    of_operations.ConnectionUnknown: NOT_FOUND,
    of_administration.EntryUnknown: NOT_FOUND,
    of_certificates.CertificateUnknown: NOT_FOUND,
    KeyUnknown: NOT_FOUND,
    of_messaging.SendingUnknown: NOT_FOUND,
    RecycledUnknown: NOT_FOUND,
    of_archive.ArchivedUnknown: NOT_FOUND,
    of_archive.ExportGone: NOT_FOUND,
    ExportGone: NOT_FOUND,
    of_accounts.NotPermitted: Kind(403, "not-permitted", "Not permitted for your role"),
    PermissionDenied: Kind(403, "not-permitted", "Not permitted for your role"),
    of_accounts.FeatureOff: Kind(403, "feature-off", "A feature that is switched off or withheld"),
    ScopeMissing: Kind(403, "scope-missing", "The token's scopes do not include this"),
    EncryptionNeeded: Kind(403, "encryption-needed", "Only over HTTPS"),
    of_domains.LimitReached: Kind(409, "limit-reached", "A limit or a plan has no room for more"),
    of_domains.ServerFull: Kind(409, "server-full", "The server has no room for more"),
    of_domains.NameTaken: Kind(409, "name-taken", "The domain name is in use"),
    of_domains.NameMovedOn: Kind(409, "name-moved-on", "The domain has another name now"),
    of_domains.DomainInRenaming: Kind(409, "domain-in-renaming", "It is being renamed just now"),
    of_domains.FolderInMove: Kind(409, "folder-in-move", "Its folder is being moved just now"),
    of_domains.FolderMovedOn: Kind(409, "folder-moved-on", "Its folder is not where it was"),
    of_administration.RenameRefused: Kind(409, "rename-refused", "The rename has conflicts"),
    KeysWaiting: Kind(409, "keys-waiting", "New signing keys wait for their records already"),
    of_domains.PortClaimed: Kind(409, "port-claimed", "The port belongs to another protocol"),
    of_accounts.LocalPartTaken: Kind(409, "local-part-taken", "The address is in use"),
    of_accounts.LastAdministrator: Kind(409, "last-administrator", "Every domain needs one"),
    of_accounts.StillOwner: Kind(409, "still-owner", "The reseller still has domains"),
    of_jobs.JobOver: Kind(409, "job-over", "The job has ended"),
    TriedTooOften: Kind(429, "tried-too-often", "Too many log-ins were tried"),
    NotFetchable: Kind(409, "not-fetchable", "Nothing is fetched from it now"),
    NotThrottled: Kind(409, "not-throttled", "Nothing of theirs is held by a limit"),
    NotRequeued: Kind(409, "not-requeued", "It cannot go into the spool now"),
    NotUndoable: Kind(409, "not-undoable", "It cannot be taken back any more"),
    of_administration.UndoRefused: Kind(409, "undo-refused", "Others have changed it since"),
    of_administration.CannotUndo: Kind(409, "not-undoable", "It cannot be taken back any more"),
    of_administration.NothingToUndo: Kind(409, "nothing-to-undo", "All is as it was before"),
    of_operations.OwnNetwork: Kind(409, "own-network", "It contains what is never blocked"),
    of_operations.ServiceFailed: Kind(503, "service-failed", "The service did not follow"),
    of_certificates.DefaultNeeded: Kind(409, "default-needed", "The default one must stay"),
    of_certificates.AcmeOff: Kind(409, "acme-off", "Ordering certificates is switched off"),
    of_certificates.BetterOneInUse: Kind(409, "better-one-in-use", "A trusted one is in use"),
    NoRoomForExport: Kind(409, "no-room", "The disk has no room for it"),
    of_messaging.WrongState: Kind(409, "wrong-state", "Not as it stands"),
    of_messaging.StillStopping: Kind(409, "still-stopping", "Ask again in a moment"),
    DomainRecycled: Kind(409, "domain-recycled", "The domain must be restored first"),
    KeyReused: Kind(409, "idempotency-key-reused", "Idempotency-Key of another request"),
    StillBeingAnswered: Kind(409, "still-being-answered", "Ask again in a moment"),
    of_domains.ChangedMeanwhile: Kind(412, "changed-meanwhile", "Changed after you had read it"),
    PreconditionFailed: Kind(412, "changed-meanwhile", "Changed after you had read it"),
    PreconditionMissing: Kind(428, "precondition-missing", "If-Match is needed"),
    ValuesRefused: VALUES_REFUSED,
    of_domains.NameMalformed: Kind(422, "name-malformed", "Not a domain name"),
    of_domains.FolderRefused: Kind(422, "folder-refused", "Not usable as the domain's folder"),
    LocalPartMalformed: Kind(422, "local-part-malformed", "Not usable before the @"),
    of_accounts.PasswordRefused: Kind(422, "password-refused", "The password breaks the policy"),
    of_accounts.TargetMalformed: Kind(422, "target-malformed", "The target is no address"),
    of_accounts.TargetUnknown: Kind(422, "target-unknown", "The target leads nowhere"),
    of_accounts.ForwardingRefused: Kind(422, "forwarding-refused", "Mail is not forwarded there"),
    of_lists.ModeratorUnknown: Kind(422, "moderator-unknown", "Nobody of the domain"),
    of_lists.PatternMalformed: Kind(422, "pattern-malformed", "Neither an address nor @domain"),
    of_lists.FileRefused: Kind(422, "file-refused", "The file cannot be read"),
    of_certificates.CertificateRefused: Kind(422, "certificate-refused", "It would not serve"),
    of_certificates.NotOrderable: Kind(422, "not-orderable", "It cannot be proven over HTTP"),
    of_archive.NothingToExport: Kind(422, "nothing-to-export", "Nothing was chosen"),
    of_administration.NotDelivered: Kind(409, "not-delivered", "The mailbox does not take it"),
    FileRefused: Kind(422, "file-refused", "The file cannot be read"),
    of_accounts.AliasLoops: Kind(422, "alias-loops", "The alias would lead back to itself"),
    RuleFitsAll: Kind(422, "rule-fits-all", "A rule says which mail it catches"),
    NothingSelected: Kind(400, "nothing-selected", "No messages are selected"),
    WayMalformed: Kind(422, "way-malformed", "Not a way for mail"),
    PriorityOutOfRange: Kind(422, "priority-out-of-range", "A priority is 1 to 10"),
    of_operations.NetworkMalformed: Kind(422, "network-malformed", "Not a network"),
    of_operations.NetworkTooWide: Kind(422, "network-too-wide", "Too wide to relay"),
    NameFixed: Kind(400, "name-fixed", "A domain gets another name by renaming it"),
    exceptions.ParseError: Kind(400, "malformed", "The body is not what it says it is"),
    exceptions.NotAuthenticated: Kind(401, "not-authenticated", "A token is needed"),
    exceptions.AuthenticationFailed: Kind(401, "not-authenticated", "The token opens nothing"),
    exceptions.MethodNotAllowed: Kind(405, "method-not-allowed", "Not with this method"),
    exceptions.NotAcceptable: Kind(406, "not-acceptable", "Answers are JSON"),
    RequestDataTooBig: Kind(413, "too-large", "The body is too large"),
    exceptions.UnsupportedMediaType: Kind(415, "unsupported-media-type", "Bodies are JSON"),
    exceptions.Throttled: Kind(429, "too-many-requests", "Too many requests"),
    exceptions.PermissionDenied: Kind(403, "not-permitted", "Not permitted"),
}
REFUSED = Kind(409, "refused", "The request cannot be carried out now")
BROKEN = Kind(500, "broken", "A fault of this server")

ALL_KINDS = {kind.slug: kind for kind in (*KINDS.values(), REFUSED, BROKEN)}


def respond(error: Exception, context: Mapping[str, Any]) -> Response:
    """What DRF asks for every exception of a view; a fault of ours is logged and gets an id."""
    set_rollback()
    kind = kind_of(error)
    if kind is BROKEN:
        fault = secrets.token_hex(6)
        log.exception("a request to the API failed", fault=fault, exc_info=error)
        body = _body(kind, "the fault was logged under the given id") | {"id": fault}
    else:
        body = problem(error)
    response = Response(body, status=kind.status, content_type=CONTENT_TYPE)
    for name, value in _headers(error).items():
        response[name] = value
    return response


def problem(error: Exception) -> dict[str, Any]:
    """The body for a refusal; its facts are members of their own."""
    if isinstance(error, exceptions.ValidationError):
        return problem(ValuesRefused(tuple(_problems(error.detail))))
    body = _body(kind_of(error), _detail(error))
    if isinstance(error, ValuesRefused):
        pairs = [{"field": _safe(p.field), "reason": _safe(p.reason)} for p in error.problems]
        return body | {"errors": pairs}
    names = getattr(error, "__dataclass_fields__", ())
    return {name: _plain(getattr(error, name)) for name in names} | body


def kind_of(error: Exception) -> Kind:
    if isinstance(error, exceptions.ValidationError):
        return VALUES_REFUSED
    for base in type(error).__mro__:
        if base in KINDS:
            return KINDS[base]
    return REFUSED if isinstance(error, Refused) else BROKEN


def _body(kind: Kind, detail: str) -> dict[str, Any]:
    return {
        "type": f"{TYPES}{kind.slug}/",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    }


def _detail(error: Exception) -> str:
    if isinstance(error, exceptions.APIException):
        return _safe(str(error.detail))
    if isinstance(error, Http404 | PermissionDenied):
        return str(NotFound()) if isinstance(error, Http404) else "not permitted"
    return _safe(str(error))


def _problems(detail: Any, path: str = "") -> list[Problem]:
    """DRF's tree of messages, flat; the path of a field is joined by dots."""
    if isinstance(detail, Mapping):
        found = []
        for name, below in detail.items():
            is_whole = name == "non_field_errors"
            found += _problems(below, path if is_whole else f"{path}.{name}".lstrip("."))
        return found
    if isinstance(detail, list):
        found = []
        for number, below in enumerate(detail):
            is_leaf = isinstance(below, str)
            found += _problems(below, path if is_leaf else f"{path}.{number}".lstrip("."))
        return found
    return [Problem(path, str(detail))]


def _headers(error: Exception) -> dict[str, str]:
    found = {}
    if challenge := getattr(error, "auth_header", None):
        found["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        found["Retry-After"] = str(int(wait) + 1)
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _safe(str(value))


def _safe(text: str) -> str:
    """JSON may bring halves of characters along, which no encoding takes."""
    return text.encode("utf-8", "replace").decode()
