"""Who may open the pages about resellers and plans."""

from tests.access.rows import Page

# Columns: anonymous, user, other_admin, admin, other_reseller, reseller, root.
PAGES = [
    Page("panel:resellers",         "login 403 403 403 403 403 200"),
    Page("panel:resellers-new",     "login 403 403 403 403 403 200"),
    Page("panel:resellers-new",     "login 403 403 403 403 403 200", post={}),
    Page("panel:resellers-delete",  "login 403 403 403 403 403 200", post={"selected": ["rob"]}),
    Page("panel:reseller",          "login 403 403 403 403 403 200", ("rob",)),
    Page("panel:reseller",          "login 403 403 403 403 403 200", ("rob",), post={}),
    Page("panel:reseller",          "login 403 403 403 403 403 404", ("root",)),
    Page("panel:domain-owner",      "login 403 403 403 403 403 200", ("own.example",)),
    Page("panel:domain-owner",      "login 403 403 403 403 403 302", ("other.example",), post={}),
    Page("panel:plans",             "login 403 403 403 403 403 200"),
    Page("panel:plans-new",         "login 403 403 403 403 403 200"),
    Page("panel:plans-new",         "login 403 403 403 403 403 200", post={}),
    Page("panel:plans-delete",      "login 403 403 403 403 403 302", post={"selected": ["1"]}),
    Page("panel:plan",              "login 403 403 403 403 403 404", (1,)),
]  # fmt: skip
