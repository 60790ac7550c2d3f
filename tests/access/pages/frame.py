"""Who may open the first page, the search and the entrance."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:home",              "login    200  200         200   200            200      200"),
    Page("panel:search",            "login    403  200         200   200            200      200"),
    Page("panel:login",             "200      302  302         302   302            302      302"),
    Page("panel:logout",            "405      405  405         405   405            405      405"),
    Page("panel:logout",            "login    login login      login login          login    login",
         post={}),
    Page("panel:openid",            "login    login login      login login          login    login"),
    Page("panel:openid-return",     "login    login login      login login          login    login",
         query="state=x&code=y"),
    Page("panel:theme",             "302      302  302         302   302            302      302",
         post={"theme": "dark"}),
]  # fmt: skip
