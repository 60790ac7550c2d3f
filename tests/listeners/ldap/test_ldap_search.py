"""What a search finds: the tree, its entries, their attributes, and whole pages of them."""

from __future__ import annotations

import pytest

from accounts import services
from domains import services as domain_services
from tests.factories import make_alias, make_domain, make_user
from tests.listeners.ldap.talk import equality, paging, search
from tests.listeners.world import forget_everything

BASE = "dc=example,dc=com"
PEOPLE, ALIASES = f"ou=people,{BASE}", f"ou=aliases,{BASE}"
OF_LISTS = f"ou=lists,{BASE}"
SEEN = {f"uid={name},{PEOPLE}" for name in ("admin", "alice", "ann", "bob")}
SEEN_ALIASES = {f"cn={name},{ALIASES}" for name in ("sales", "staff")}
SEEN_LISTS = {f"cn=news,{OF_LISTS}"}
ALL_SEEN = SEEN | SEEN_ALIASES | SEEN_LISTS
HIDDEN = {f"uid=hidden,{PEOPLE}", f"cn=secret,{ALIASES}"}
FRAME = {BASE, *(f"ou={ou},{BASE}" for ou in ("people", "aliases", "lists", "contacts"))}
ADMIN = "admin@example.com"
LISTS = pytest.mark.spec("N-050")
VALIDATION = pytest.mark.spec("N-052")


@LISTS
@pytest.mark.spec("N-051")
def test_a_user_sees_the_addresses_of_his_domain_and_no_other(ldap):
    assert ldap.names() == FRAME | ALL_SEEN
    for base in ("dc=other,dc=test", "ou=people,dc=other,dc=test", "dc=test", "dc=nowhere",
                 "uid=stranger,ou=people,dc=other,dc=test"):  # fmt: skip
        done = ldap.run("ldapsearch", "-LLL", "-b", base)
        assert (done.returncode, done.stdout) == (32, "")


@LISTS
@pytest.mark.parametrize(
    ("base", "scope", "expected"),
    [
        (BASE, "base", {BASE}),
        (BASE, "one", FRAME - {BASE}),
        (BASE, "sub", FRAME | ALL_SEEN),
        (PEOPLE, "base", {PEOPLE}),
        (PEOPLE, "one", SEEN),
        (ALIASES, "sub", {ALIASES} | SEEN_ALIASES),
        (OF_LISTS, "sub", {OF_LISTS} | SEEN_LISTS),
        (f"cn=news,{OF_LISTS}", "base", SEEN_LISTS),
        (f"ou=contacts,{BASE}", "one", set()),
        (f"uid=bob,{PEOPLE}", "base", {f"uid=bob,{PEOPLE}"}),
        ("UID=BOB,OU=People,DC=Example,DC=COM", "sub", {f"uid=bob,{PEOPLE}"}),
        (f"uid=bob,{PEOPLE}", "one", set()),
        ("", "one", {BASE}),
        ("", "sub", FRAME | ALL_SEEN),
    ],
)  # fmt: skip
def test_scopes(ldap, base, scope, expected):
    assert ldap.names(base=base, options=("-s", scope)) == expected


@LISTS
@pytest.mark.parametrize(
    ("base", "code"),
    [
        (f"uid=nobody,{PEOPLE}", 32),
        (f"cn=bob,{PEOPLE}", 32),
        (f"uid=sales,{ALIASES}", 32),
        (f"cn=board,{OF_LISTS}", 32),
        (f"cn=news-request,{OF_LISTS}", 32),
        (f"cn=news,{ALIASES}", 32),
        (f"ou=nothing,{BASE}", 32),
        (f"cn=x,uid=bob,{PEOPLE}", 32),
        (f"ou=people,ou=people,{BASE}", 32),
        ("o=example", 32),
        ("nonsense", 34),
        ("cn=\\zz", 34),
        (f"uid=a\\00b,{PEOPLE}", 32),
        ("ou=people,dc=a\\00b,dc=com", 32),
    ],
)
def test_what_is_not_there_is_not_found(ldap, base, code):
    assert ldap.run("ldapsearch", "-LLL", "-b", base).returncode == code


@pytest.mark.spec("N-051")
def test_strangers_learn_nothing_but_what_the_server_can_do(ldap):
    (root,) = ldap.search("(objectClass=*)", "+", base="", options=("-s", "base"), who=None)
    assert root["supportedLDAPVersion"] == ["3"]
    assert root["supportedControl"] == ["1.2.840.113556.1.4.319"]
    assert "1.3.6.1.4.1.1466.20037" in root["supportedExtension"]
    assert root["vendorName"] == ["MailHost"]
    assert "namingContexts" not in root  # which domains there are is nobody's business
    for base in (BASE, "", "cn=config", f"uid=alice,{PEOPLE}"):
        done = ldap.run("ldapsearch", "-LLL", "-b", base, who=None)
        assert (done.returncode, done.stdout) == (50, ""), done
    assert ldap.run("ldapcompare", f"uid=alice,{PEOPLE}", "sn:alice", who=None).returncode == 50
    (mine,) = ldap.search("(objectClass=*)", "namingContexts", base="", options=("-s", "base"))
    assert mine["namingContexts"] == [BASE]


@pytest.mark.spec("N-053", lacks="photos, and contacts, which have no room yet")
def test_people_are_described_by_their_profile(ldap, people):
    (ann,) = ldap.search("(uid=ann)")
    assert ann["dn"] == [f"uid=ann,{PEOPLE}"]
    assert ann["objectClass"] == ["top", "person", "organizationalPerson", "inetOrgPerson"]
    assert ann["cn"] == ann["displayName"] == ["QW5uIFpvw6sgRXhhbXBsZQ=="]  # Ann Zoë Example
    assert ann["givenName"] == ["QW5uIFpvw6s="]
    assert (ann["sn"], ann["uid"], ann["mail"]) == (["Example"], ["ann"], ["ann@example.com"])
    (bob,) = ldap.search("(uid=bob)")
    assert (bob["cn"], bob["sn"]) == (["bob"], ["bob"])
    assert "displayName" not in bob
    # D-039: what the administrator is called is what others see.
    services.change_user(user=people.ann, values={"full_name": "Ann"}, by=None)
    assert ldap.search("(uid=ann)")[0]["cn"] == ["Ann"]


@LISTS
def test_only_what_is_asked_for_is_sent(ldap):
    assert ldap.search("(uid=bob)", "mail", "2.5.4.3", "userPassword") == [
        {"dn": [f"uid=bob,{PEOPLE}"], "cn": ["bob"], "mail": ["bob@example.com"]}
    ]
    assert ldap.search("(uid=bob)", "1.1") == [{"dn": [f"uid=bob,{PEOPLE}"]}]
    types = ldap.run("ldapsearch", "-LLL", "-A", "-b", BASE, "(uid=bob)", "mail").stdout
    assert types == f"dn: uid=bob,{PEOPLE}\nmail:\n\n"


@LISTS
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("(mail=ann@example.com)", {"ann"}),
        ("(mail=ANN@EXAMPLE.COM)", {"ann"}),
        ("(mail=ann*)", {"ann"}),
        ("(mail=*@example.net)", {"admin", "alice", "ann", "bob", "sales", "staff", "news"}),
        ("(mail=*LIC*)", {"alice"}),
        ("(mail=al*ce@exam*com)", {"alice"}),
        ("(mail=*ice@other.test)", set()),
        ("(cn=ann zoë*)", {"ann"}),
        ("(cn=ANN ZOË EXAMPLE)", {"ann"}),
        ("(cn=*zoË*)", {"ann"}),
        ("(cn=*ë*)", {"ann"}),
        ("(sn=example)", {"ann"}),
        ("(givenName=ann*)", {"ann"}),
        ("(|(cn=an*)(sn=bo*)(mail=nobody*))", {"ann", "bob"}),
        ("(&(objectClass=inetOrgPerson)(!(cn=a*)))", {"bob"}),
        ("(&(mail=*)(displayName=*))", {"ann"}),
        # What Thunderbird and Outlook ask as soon as somebody types "an".
        ("(&(objectclass=*)(|(mail=*an*)(cn=*an*)(givenname=*an*)(sn=*an*)))", {"ann"}),
        ("(&(mail=*)(|(mail=an*)(|(cn=an*)(|(sn=an*)(givenName=an*)))))", {"ann"}),
        ("(telephoneNumber=*)", set()),
        ("(&(objectClass=person)(!(telephoneNumber=1)))", {"admin", "alice", "ann", "bob"}),
        ("(&(objectClass=person)(!(userPassword=x)))", set()),  # undefined
        ("(userPassword=*)", set()),
        ("(password=*)", set()),
        ("(scramStoredKey=*)", set()),
        ("(cn:=bob)", {"bob"}),
        ("(cn~=BOB)", {"bob"}),
        ("(uid>=a)", set()),
        ("(objectClass=nisMailAlias)", {"sales", "staff"}),
        ("(objectClass=mailGroup)", {"news"}),
        ("(description=all the n*)", {"news"}),
        ("(mail=news-re*)", {"news"}),
        ("(mail=*s-own*)", {"news"}),
        ("(cn=news-owner)", set()),
        ("(&(objectClass=top)(|(uid=bob)(cn=sales)))", {"bob", "sales"}),
        ("(cn=\\2a)", set()),  # the catch-all is for administrators
        ("(cn=%)", set()),
        ("(cn=*_*)", set()),
        ("(uid=' OR 1=1 --)", set()),
        ("(cn=<script>alert\\281\\29</script>)", set()),
        ("(cn=\\00)", set()),
        ("(cn=*\\ff*)", set()),
        ("(&)", {"admin", "alice", "ann", "bob", "sales", "staff", "news"}),
        ("(|)", set()),
    ],
)  # fmt: skip
def test_filters_find_what_they_say(ldap, wanted, expected):
    found = {name.partition(",")[0].partition("=")[2] for name in ldap.names(wanted) - FRAME}
    assert found == expected


@VALIDATION
@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("alice@example.com", "inetOrgPerson"),
        ("alice@example.net", "inetOrgPerson"),
        ("Sales@Example.Com", "nisMailAlias"),
        ("sales@example.net", "nisMailAlias"),
        ("News@example.com", "mailGroup"),
        ("news@example.net", "mailGroup"),
        ("news-request@example.com", "mailGroup"),
        ("news-bounces@example.net", "mailGroup"),
        ("news-nothing@example.com", None),
        ("board@example.com", None),
        ("nobody@example.com", None),
        ("stranger@other.test", None),
        ("stranger@example.com", None),
    ],
)
def test_an_address_is_confirmed_by_exactly_one_entry_whatever_it_is(ldap, address, kind):
    found = ldap.search(f"(mail={address})", "objectClass", "mail")
    if kind is None:
        assert found == []
    else:
        (entry,) = found
        assert kind in entry["objectClass"]
        assert entry["mail"][0].endswith("@example.com")


@VALIDATION
@pytest.mark.spec("D-057", lacks="the Global Address List in webmail")
@pytest.mark.spec("U-017", lacks="the Global Address List in webmail")
def test_administrators_validate_what_is_hidden_from_others(people, ldap):
    gone = {f"uid=carol,{PEOPLE}"}
    away, catch_all = f"uid=away,{PEOPLE}", f"cn=*,{ALIASES}"
    assert not (ldap.names() & (HIDDEN | gone | {away, catch_all}))
    every = ldap.names(who=ADMIN)
    assert HIDDEN | {away, catch_all} <= every and not gone & every
    # Postfix asks for the whole domain when it has not found the address.
    assert ldap.names("(mail=@example.com)", who=ADMIN) == {catch_all}
    assert ldap.names("(mail=@example.com)") == set()
    for hidden in ("hidden", "secret"):
        assert len(ldap.names(f"(mail={hidden}@example.com)", who=ADMIN)) == 1
        assert ldap.names(f"(mail={hidden}@example.com)") == set()
    for name in HIDDEN | gone:
        assert ldap.run("ldapsearch", "-b", name).returncode == 32
        assert ldap.run("ldapcompare", name, "objectClass:top").returncode == 32
    # A list of which nobody is told takes mail all the same.
    assert ldap.names("(mail=board-owner@example.net)", who=ADMIN) == {f"cn=board,{OF_LISTS}"}
    (board,) = ldap.search("(cn=board)", who=ADMIN)
    assert (board["mail"], board["description"]) == (["board@example.com"], ["All the board"])
    # A user's own wish counts where the domain lets him choose.
    services.change_user(user=people.bob, values={"opts_out_of_address_list": True}, by=None)
    assert ldap.names("(mail=bob@example.com)") == {f"uid=bob,{PEOPLE}"}
    choose = {"allow_ldap_opt_out": True}
    domain_services.change_tab(domain=people.domain, tab="technical", values=choose, by=None)
    assert ldap.names("(mail=bob@example.com)") == set()
    assert ldap.names("(mail=bob@example.com)", who=ADMIN) == {f"uid=bob,{PEOPLE}"}


@VALIDATION
@pytest.mark.spec("D-070")
def test_lists_that_are_switched_off_are_no_addresses(people, ldap):
    domain_services.change_tab(
        domain=people.domain, tab="features", values={"mailing_lists": False}, by=None
    )
    for who in ("alice@example.com", ADMIN):
        assert ldap.names("(objectClass=mailGroup)", who=who) == set()
        assert ldap.names("(mail=news@example.com)", who=who) == set()


@VALIDATION
@pytest.mark.spec("N-022")
def test_mail_to_the_postmaster_is_nobody_s_to_refuse(people, ldap):
    admin = {f"uid=admin,{PEOPLE}"}
    for address in ("postmaster@example.com", "Abuse@example.net"):
        assert ldap.names(f"(mail={address})", who=ADMIN) == admin
        assert ldap.names(f"(mail={address})") == set()
    assert ldap.names("(mail=postm*)", who=ADMIN) == admin
    make_alias(people.domain, "postmaster", "alice")
    forget_everything()
    assert ldap.names("(mail=postmaster@example.com)", who=ADMIN) == {f"cn=postmaster,{ALIASES}"}
    assert ldap.names("(mail=abuse@example.com)", who=ADMIN) == admin


@pytest.mark.spec("N-051")
@pytest.mark.spec("D-094", lacks="the Global Address List in webmail")
def test_without_an_address_list_users_find_nothing_and_edge_servers_wait(people, ldap):
    values = {"global_address_list": False}
    domain_services.change_tab(domain=people.domain, tab="sharing", values=values, by=None)
    forget_everything()
    for base in (BASE, PEOPLE, f"uid=alice,{PEOPLE}", "dc=other,dc=test"):
        assert ldap.search(base=base) == []
    assert ldap.run("ldapcompare", f"uid=bob,{PEOPLE}", "sn:bob").returncode == 32
    # "Not found" would let an edge server refuse all mail of the domain.
    done = ldap.run("ldapsearch", "-b", BASE, "(mail=bob@example.com)", who=ADMIN)
    assert done.returncode == 50 and "switched off" in done.stdout + done.stderr
    assert ldap.run("ldapwhoami").returncode == 0


@LISTS
def test_compare(ldap):
    bob = f"uid=bob,{PEOPLE}"
    for assertion, code in {
        "mail:BOB@example.net": 6, "mail:ann@example.com": 5, "telephoneNumber:1": 16,
        "userPassword:x": 17, "objectClass:person": 6, "cn:bob ": 6,
    }.items():  # fmt: skip
        assert ldap.run("ldapcompare", bob, assertion).returncode == code, assertion
    assert ldap.run("ldapcompare", f"uid=nobody,{PEOPLE}", "cn:x").returncode == 32
    assert ldap.run("ldapcompare", "nonsense", "cn:x").returncode == 34
    assert ldap.run("ldapcompare", f"ou=people,{BASE}", "ou:people").returncode == 6


@LISTS
def test_the_tree_is_there_by_every_name_of_the_domain(ldap):
    names = ldap.names("(uid=bob)", base="dc=example,dc=net")
    assert names == {"uid=bob,ou=people,dc=example,dc=net"}
    assert ldap.search("(uid=bob)", "mail", base="dc=example,dc=net")[0]["mail"] == [
        "bob@example.com"
    ]


@LISTS
@pytest.mark.parametrize(
    "program", ["ldapdelete", "ldapmodify", "ldapadd", "ldapmodrdn", "ldappasswd"]
)
def test_writes_are_refused(ldap, program):
    bob = f"uid=bob,{PEOPLE}"
    change = {
        "ldapmodify": f"dn: {bob}\nchangetype: modify\nreplace: cn\ncn: x\n",
        "ldapadd": f"dn: uid=new,{PEOPLE}\nobjectClass: inetOrgPerson\ncn: x\nsn: x\n",
    }
    arguments = {
        "ldapdelete": [bob],
        "ldapmodrdn": [bob, "uid=rob"],
        "ldappasswd": ["-s", "x", bob],
    }
    for who in ("alice@example.com", ADMIN, None):
        done = ldap.run(program, *arguments.get(program, []), who=who, text=change.get(program))
        assert "unwilling to perform" in done.stdout + done.stderr, done
        assert done.returncode in (53, 1)
    assert ldap.names("(uid=bob)") == {bob}


@LISTS
def test_unknown_critical_controls_scopes_and_operations_are_refused(ldap, connect):
    done = ldap.run("ldapsearch", "-LLL", "-E", "!subentries=true", "-b", BASE)
    assert (done.returncode, done.stdout) == (12, "")
    assert ldap.run("ldapsearch", "-E", "subentries=true", "-b", BASE).returncode == 0
    assert "Protocol error (2)" in ldap.run("ldapexop", "1.2.3.4").stderr
    assert connect().log_in().ask(search(1, scope=3)).code == 2
    assert connect().ask(search(1, scope=3)).code == 2


@LISTS
def test_the_size_limit_of_the_client_is_kept(ldap, connect):
    talk = connect().log_in()
    assert talk.ask(search(1, scope=1, base=PEOPLE, size=2)).code == 4
    assert len(talk.names) == 2
    assert talk.ask(search(2, scope=1, base=PEOPLE, size=4)).code == 0
    assert len(talk.names) == 4
    done = ldap.run("ldapsearch", "-LLL", "-z", "1", "-b", PEOPLE, "-s", "one")
    assert done.returncode == 4 and done.stdout.count("dn: ") == 1


@LISTS
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 12, 100])
def test_pages_give_everything_once(connect, size):
    talk, cookie, found, pages = connect().log_in(), b"", [], 0
    while True:
        done = talk.ask(search(1, controls=paging(size, cookie)))
        assert done.code == 0 and len(talk.names) <= size
        found += talk.names
        pages += 1
        cookie = done.cookie
        if not cookie:
            break
    assert sorted(found) == sorted(FRAME | ALL_SEEN)
    assert pages == -(-12 // size)


@LISTS
def test_pages_may_be_given_up_and_cookies_cannot_be_made_up(ldap, connect):
    talk = connect().log_in()
    first = talk.ask(search(1, controls=paging(2)))
    assert first.cookie
    given_up = talk.ask(search(2, controls=paging(0, first.cookie)))
    assert (given_up.code, given_up.cookie, talk.names) == (0, b"", [])
    for made_up in (b"x", b"user", b"user:x:a", b"frame:0:x", b"user:0:a\0",
                    b"user:0:" + b"a" * 99, b"\xff::", b"lists:0:a", b"user:99999999999:a",
                    b"frame:0:\xc2\xb2"):  # fmt: skip
        talk = connect().log_in()
        assert talk.ask(search(3, controls=paging(2, made_up))).code == 53, made_up
    # One that is well-formed shows no more than a search does.
    assert talk.ask(search(4, controls=paging(50, b"user:0:g"))).code == 0
    assert set(talk.names) == SEEN_ALIASES | SEEN_LISTS
    # A size limit holds over all pages.
    page = talk.ask(search(5, size=3, controls=paging(2)))
    assert (page.code, len(talk.names)) == (0, 2)
    rest = talk.ask(search(6, size=3, controls=paging(2, page.cookie)))
    assert (rest.code, len(talk.names)) == (4, 1)
    paged = ldap.run("ldapsearch", "-LLL", "-E", "pr=3/noprompt", "-b", BASE, "1.1")
    assert paged.returncode == 0 and paged.stdout.count("dn: ") == 12


@LISTS
def test_more_than_a_thousand_entries_come_in_pages_only(people, ldap, monkeypatch):
    monkeypatch.setattr("listeners.ldap.searching.MOST_ENTRIES", 3)
    done = ldap.run("ldapsearch", "-LLL", "-b", BASE, "1.1")
    assert done.returncode == 4 and done.stdout.count("dn: ") == 3
    done = ldap.run("ldapsearch", "-LLL", "-E", "pr=1000/noprompt", "-b", BASE, "1.1")
    assert done.returncode == 0 and done.stdout.count("dn: ") == 12


@LISTS
def test_rows_are_read_in_batches(people, ldap, monkeypatch):
    monkeypatch.setattr("listeners.ldap.finding.ROWS", 2)
    assert ldap.names() == FRAME | ALL_SEEN
    assert ldap.names("(cn=bob)") == {f"uid=bob,{PEOPLE}"}


@LISTS
def test_local_parts_that_need_escapes_are_named_and_found(people, ldap, connect):
    make_user(people.domain, "o+b", full_name='O, <b>"B"</b>')
    (found,) = ldap.search("(uid=o+b)", "mail", "cn")
    assert found == {
        "dn": [f"uid=o\\+b,{PEOPLE}"], "mail": ["o+b@example.com"], "cn": ['O, <b>"B"</b>'],
    }  # fmt: skip
    assert ldap.names(base=found["dn"][0]) == {found["dn"][0]}
    talk = connect()
    talk.log_in(found["dn"][0])
    assert talk.ask(search(1, equality("uid", "O+B"))).code == 0 and len(talk.names) == 1


@pytest.mark.spec("N-051")
def test_each_domain_has_its_own_tree(people, ldap):
    make_domain("sub.example.com")
    forget_everything()
    inside = ldap.names(base="dc=sub,dc=example,dc=com", who="admin@sub.example.com")
    assert "uid=admin,ou=people,dc=sub,dc=example,dc=com" in inside
    assert ldap.run("ldapsearch", "-b", BASE, who="admin@sub.example.com").returncode == 32
    assert not any("dc=sub" in name for name in ldap.names())


@pytest.mark.spec("N-053", lacks="photos, and contacts, which have no room yet")
def test_people_are_described_by_their_contact_details(ldap, people):
    details = {
        "job_title": "Head of Öl & Gas", "company": "ACME <b>", "department": "Sales",
        "telephone": "+49 30 / 12-34", "mobile": "+49 170 1", "street": "Weg 1", "city": "Köln",
        "state": "NRW", "postal_code": "50667",
    }  # fmt: skip
    services.change_own(user=people.bob, values=details)
    (bob,) = ldap.search("(telephoneNumber=+49 30/1234)")
    shown = ("telephoneNumber", "mobile", "street", "st", "postalCode", "ou")
    assert [bob[name] for name in shown] == [
        ["+49 30 / 12-34"], ["+49 170 1"], ["Weg 1"], ["NRW"], ["50667"], ["Sales"],
    ]  # fmt: skip
    assert bob["o"] == ["ACME <b>"] and bob["l"] == ["S8O2bG4="] and "title" in bob
    name = f"uid=bob,{PEOPLE}"
    for wanted in ("(l=KÖLN)", "(title=head*öl*)", "(o=*acme*)", "(postalCode=506*)",
                   "(mobile=*4917*)", "(&(ou=sales)(uid=*))"):  # fmt: skip
        assert ldap.names(wanted) == {name}, wanted
    for wanted in ("(l=Bonn)", "(telephoneNumber=1234)", "(jpegPhoto=*)"):
        assert ldap.names(wanted) == set(), wanted
    assert ldap.names("(o=example.com)") == {BASE}
