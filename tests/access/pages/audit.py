"""Who may open the audit trail."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:audit",             "login    403  403         403   200            200      200"),
    Page("panel:domain-audit",      "login    403  404         200   404            200      200",
         ("own.example",)),
    Page("panel:audit-operation",   "login    403  404         404   404            404      404",
         (999_999,)),
    Page("panel:audit-undo",        "login    403  404         404   404            404      404",
         post={"operation": "none"}),
]  # fmt: skip
