"""Who may open the pages of the spool and of the trace."""

from tests.access.rows import Page

NOWHERE = ("0000000000001",)

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:spool",             "login    403  403         403   403            403      200"),
    Page("panel:spool-waiting",     "login    403  403         403   403            403      200"),
    Page("panel:quarantine",        "login    403  403         403   403            403      200"),
    Page("panel:spool-changes",     "login    403  403         403   403            403      200"),
    *(
        Page(f"panel:spool-{verb}", "login    403  403         403   403            403      302",
             post={"selected": ["0000000000001"]})
        for verb in ("force", "reset", "priority", "hold", "quarantine", "release", "route",
                     "delete")
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
    Page("panel:throttled",         "login    403  403         403   403            403      200"),
    Page("panel:throttle-release",  "login    403  403         403   403            403      302",
         ("domain", 1), post={}),
    Page("panel:hold-rules",        "login    403  403         403   403            403      200"),
    Page("panel:hold-rules",        "login    403  403         403   403            403      200",
         post={}),
    Page("panel:hold-rule-remove",  "login    403  403         403   403            403      404",
         (999,), post={}),
    Page("panel:lost-mail",         "login    403  403         403   403            403      200"),
    Page("panel:lost-message",      "login    403  403         403   403            403      404",
         NOWHERE),
    Page("panel:lost-message",      "login    403  403         403   403            403      404",
         ("nonsense",)),
    Page("panel:lost-message-text", "login    403  403         403   403            403      404",
         NOWHERE),
    Page("panel:lost-message-requeue", "login 403  403         403   403            403      404",
         NOWHERE, post={}),
    Page("panel:lost-message-delete", "login  403  403         403   403            403      404",
         NOWHERE),
    Page("panel:lost-message-delete", "login  403  403         403   403            403      404",
         NOWHERE, post={"confirmation": "yes"}),
    Page("panel:spool-statistics",  "login    403  403         403   403            403      200",
         query="domain=own.example&limit=10"),
    Page("panel:spool-statistics",  "login    403  403         403   403            403      404",
         query="domain=nowhere.example"),
    Page("panel:ledger",            "login    403  200         200   200            200      200"),
    Page("panel:ledger",            "login    403  404         200   404            200      200",
         query="domain=own.example"),
    Page("panel:refused-mail",      "login    403  403         403   403            403      200"),
]  # fmt: skip
