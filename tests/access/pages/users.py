"""Who may open the pages about the users of a domain."""

from tests.access.rows import Page

OWN = ("own.example",)

# Columns: anonymous, user, other_admin, admin, other_reseller, reseller, root.
PAGES = [
    Page("panel:users",                "login 403 404 200 404 200 200", OWN),
    Page("panel:users",                "login 403 404 200 404 200 200", OWN,
         query="format=csv"),
    Page("panel:users-new",            "login 403 404 200 404 200 200", OWN),
    Page("panel:users-new",            "login 403 404 200 404 200 200", OWN,
         post={}),
    Page("panel:user",                 "login 403 404 200 404 200 200",
         ("own.example", "alice")),
    Page("panel:user",                 "login 403 404 200 404 200 200",
         ("own.example", "alice"), post={}),
    Page("panel:user",                 "login 403 404 404 404 404 404",
         ("own.example", "nobody")),
    Page("panel:user-export",          "login 403 404 200 404 200 200",
         ("own.example", "alice")),
    Page("panel:user-export",          "login 403 404 302 404 302 302",
         ("own.example", "alice"), post={}),
    Page("panel:user-export",          "login 403 404 404 404 404 404",
         ("own.example", "nobody")),
    Page("panel:user-exported",        "login 403 404 404 404 404 404",
         ("own.example", "alice", 1)),
    Page("panel:users-enable",         "login 403 404 302 404 302 302", OWN,
         post={"selected": ["alice"]}),
    Page("panel:users-disable",        "login 403 404 302 404 302 302", OWN,
         post={"selected": ["nobody"]}),
    Page("panel:users-delete",         "login 403 404 200 404 200 200", OWN,
         post={"selected": ["alice"]}),
    Page("panel:users-delete",         "login 403 405 405 405 405 405", OWN),
    Page("panel:users-import",         "login 403 404 200 404 200 200", OWN),
    Page("panel:users-import",         "login 403 404 200 404 200 200", OWN,
         post={}),
    Page("panel:users-import-example", "login 403 404 200 404 200 200", OWN),
    Page("panel:users-import-run",     "login 403 404 302 404 302 302", OWN,
         post={}),
    Page("panel:users-import-job",     "login 403 404 404 404 404 404",
         ("own.example", 1)),
]  # fmt: skip
