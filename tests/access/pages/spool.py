"""Who may open the pages of the spool and of the trace."""

from tests.access.rows import Page

NOWHERE = ("0000000000001",)

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:spool",             "login    403  403         403   403            403      200"),
    Page("panel:spool-waiting",     "login    403  403         403   403            403      200"),
    Page("panel:spool-changes",     "login    403  403         403   403            403      200"),
    *(
        Page(f"panel:spool-{verb}", "login    403  403         403   403            403      302",
             post={"selected": ["0000000000001"]})
        for verb in ("force", "reset", "priority", "hold", "release", "route", "delete")
    ),
    Page("panel:spool-reset-all",   "login    403  403         403   403            403      302",
         post={"all": "true"}),
    Page("panel:spool-delete-all",  "login    403  403         403   403            403      302",
         post={"all": "true"}),
    Page("panel:spool-undo",        "login    403  403         403   403            403      302",
         post={"change": "1"}),
    Page("panel:trace",             "login    200  200         200   200            200      200",
         query="q=nobody@nowhere.example"),
    Page("panel:message",           "login    404  404         404   404            404      404",
         NOWHERE),
    Page("panel:message",           "login    404  404         404   404            404      404",
         ("nonsense",)),
    Page("panel:message-text",      "login    403  403         403   403            403      404",
         NOWHERE),
    Page("panel:message-download",  "login    403  403         403   403            403      404",
         NOWHERE),
]  # fmt: skip
