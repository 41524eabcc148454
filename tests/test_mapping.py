"""Who somebody is for Qlik: the rules one by one, and what no rule may ever let through."""

import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qproxy.auth.mapping import LONGEST_LIST, MOST_SHOWN, Denied, Identity, Rules, identify, like, rules_of, shown_cut
from qproxy.auth.method import Accept
from qproxy.auth.names import cn_of, oddity, recased, same
from qproxy.config import PasswordFileLogin
from qproxy.config.mapping_models import WhoConfig
from qproxy.config.models import VirtualProxyConfig
from qproxy.model import Attributes, User

SALES_DN = r"CN=Qlik-Sales\, East,OU=Groups,DC=acme,DC=example"
TEXT = st.text(max_size=30)
CLAIMS = {"name": ("Anna",), "groups": ("Sales", "Qlik-fin"), "blank": (" ",), "mail": ("anna@acme.example",)}


def judge(accept: Accept, address: str = "10.1.2.3", **who: Any) -> Identity | Denied:
    return identify(accept, address, Rules(WhoConfig.model_validate(who), "ACME"))


def user(came: str, **who: Any) -> str:
    """The user as text, or the word of the denial."""
    found = judge(Accept(came, claims=CLAIMS), **who)
    return found.word if isinstance(found, Denied) else str(found.user)


def attributes(claims: dict[str, tuple[str, ...]], **rule: Any) -> Identity:
    found = judge(Accept("anna", claims=claims), attributes=[{"name": "Group", "claim": "groups", **rule}])
    assert isinstance(found, Identity)
    return found


def values(*groups: str, **rule: Any) -> list[str]:
    return [value for _, value in attributes({"groups": groups}, **rule).attributes.pairs]


# the user id and the user directory


def test_without_rules_a_person_is_whom_the_method_names_in_its_directory_or_the_virtual_proxys() -> None:
    assert user("anna") == r"ACME\anna"
    found = judge(Accept("anna", "IDP", Attributes((("Group", "Sales"),))))
    assert isinstance(found, Identity)
    assert (found.user, found.attributes.pairs) == (User("IDP", "anna"), (("Group", "Sales"),))


# (user id as it came, rules, the user or the word of the denial)
USERS = [
    ("x", {"user_id": "{name}"}, r"ACME\Anna"),
    ("x", {"user_id": "u-{name}", "case": "lower"}, r"ACME\u-anna"),
    ("x", {"user_id": "{nobody}"}, "denied_missing_claim"),
    ("x", {"user_id": "{blank}"}, "denied_missing_claim"),
    ("x", {"user_id": "{groups}"}, "denied_ambiguous_claim"),
    ("x", {"user_directory": "{name}"}, r"Anna\x"),
    ("x", {"user_directory": "{nobody}"}, "denied_missing_claim"),
    ("x", {"user_directory": "EXTERN"}, r"EXTERN\x"),
    ("anna", {"case": "upper"}, r"ACME\ANNA"),
    ("Groß", {"case": "upper"}, "denied_odd_name"),
    ("ANNA@Acme.Example", {"domains": "acme.example", "case": "lower"}, r"ACME\anna"),
    (r"acme\anna", {"domains": "ACME"}, r"ACME\anna"),
    ("anna", {"domains": "ACME"}, r"ACME\anna"),
    ("anna@stranger.example", {"domains": "acme.example"}, "denied_domain"),
    ("anna@acme.example.stranger.example", {"domains": "acme.example"}, "denied_domain"),
    ("anna@b@acme.example", {"domains": "acme.example"}, "denied_odd_name"),
    (r"ACME\anna@acme.example", {"domains": "acme.example"}, "denied_odd_name"),
    ("anna@acme.example.", {"domains": "acme.example"}, "denied_odd_name"),
    ("anna @acme.example", {"domains": "acme.example"}, "denied_odd_name"),
    ("@acme.example", {"domains": "acme.example"}, "denied_odd_name"),
    ("anna@", {"domains": "acme.example"}, "denied_odd_name"),
    ("anna@b.example", {"domains": "*", "user_directory": "{DOMAIN}"}, r"B.EXAMPLE\anna"),
    ("anna", {"domains": "*", "user_directory": "{DOMAIN}"}, "denied_domain"),
    (r"INTERNAL\sa_api", {"domains": "*", "user_directory": "{DOMAIN}"}, "denied_directory"),
    (r"ACME\anna", {}, "denied_odd_name"),
    ("anna@acme.example", {}, r"ACME\anna@acme.example"),
]


@pytest.mark.parametrize(("came", "who", "outcome"), USERS)
def test_a_user_id_becomes_a_user_of_qlik_or_is_denied(came: str, who: dict[str, Any], outcome: str) -> None:
    assert user(came, **who) == outcome


def test_a_claim_that_says_the_same_twice_is_not_ambiguous() -> None:
    found = judge(Accept("", claims={"name": ("anna", "anna")}), user_id="{name}")
    assert isinstance(found, Identity)


def test_who_lacks_a_claim_is_told_to_the_administrator_with_the_names_that_there_were_and_no_value() -> None:
    found = judge(Accept("x", claims=CLAIMS | {"a\nb": ("1",)}), user_id="{upn}")
    assert isinstance(found, Denied)
    assert found.rule == "the claim upn is missing; there were: 'a\\nb', blank, groups, mail, name"


def test_a_list_of_claims_in_the_log_has_an_end() -> None:
    found = judge(Accept("x", claims={f"claim{number}": ("1",) for number in range(1000)}), user_id="{upn}")
    assert isinstance(found, Denied)
    assert len(found.rule) < LONGEST_LIST + 100


ODD = [
    "",
    " ",
    " anna",
    "anna ",
    "an\nna",
    "an\u200bna",
    "an\ufe0fna",
    "\uff41nna",
    "\ufb01n",
    "ann\u212a",
    "\u0430nna",
    "a@b@c",
]


@pytest.mark.parametrize("name", [*ODD, "a" * 257, "\ud800"])
def test_a_name_that_is_not_what_it_looks_like_lets_nobody_in(name: str) -> None:
    assert user(name) == "denied_odd_name"


@pytest.mark.parametrize("name", ["Анна", "山田", "Åsa", "o'neill", "anna+bi", "anna.b", "Anna Jr."])
def test_names_of_the_world_are_not_odd(name: str) -> None:
    assert oddity(name) == ""


def test_composed_and_decomposed_letters_are_one_person() -> None:
    assert user("Zoe\u0308") == user("Zo\u00eb")


@given(TEXT, TEXT, st.sampled_from(["keep", "lower", "upper"]), st.booleans())
@example("\ufb00@x", "x", "upper", True)
@example("İ", "x", "lower", False)
def test_whatever_comes_is_a_name_for_qlik_or_denied(name: str, domain: str, case: str, cut: bool) -> None:
    who = {"case": case, **({"domains": "*", "user_directory": "{DOMAIN}"} if cut else {})}
    found = judge(Accept(f"{name}@{domain}" if cut else name), **who)
    if isinstance(found, Identity):
        assert oddity(found.user.directory) == ""
        assert unicodedata.is_normalized("NFC", found.user.id)


@given(TEXT, TEXT, st.sampled_from(["lower", "upper"]))
@example("ß", "ss", "upper")
@example("\u0131", "i", "upper")
def test_names_become_one_only_when_they_differ_by_case_alone(one: str, other: str, case: str) -> None:
    made = [recased(name, case) for name in (one, other) if not oddity(name)]
    if len(made) == 2 and made[0] and made[0] == made[1]:
        assert same(one) == same(other)


# who is let in

GROUP = {"claims": {"groups": ["Sales"]}}
HERE, ELSEWHERE = {"networks": ["10.0.0.0/8"]}, {"networks": ["192.0.2.0/24", "fd00::/8"]}
# (rules, whether anna, of Sales and Qlik-fin in 10.1.2.3, is let in)
DOORS = [
    ({}, True),
    ({"otherwise": "deny"}, False),
    ({"allow": [GROUP]}, True),
    ({"allow": [{"claims": {"groups": "qlik-*"}}]}, True),
    ({"allow": [{"claims": {"groups": "ales"}}]}, False),
    ({"allow": [{"claims": {"roles": "*"}}]}, False),
    ({"allow": [{"users": ["ann", "bob"]}]}, False),
    ({"allow": [{"users": "ANNA"}]}, True),
    ({"allow": [{"users": r"acme\a*"}]}, True),
    ({"allow": [{"users": r"OTHER\anna"}]}, False),
    ({"allow": [{"users": "bob"}, GROUP]}, True),
    ({"allow": [GROUP | HERE]}, True),
    ({"allow": [GROUP | ELSEWHERE]}, False),
    ({"allow": [{"users": "bob"}], "otherwise": "allow"}, True),
    ({"allow": [{"users": "anna"}], "deny": [GROUP]}, False),
    ({"deny": [ELSEWHERE]}, True),
    ({"deny": [HERE]}, False),
]


@pytest.mark.parametrize(("who", "let_in"), DOORS)
def test_deny_wins_over_allow_and_that_over_otherwise(who: dict[str, Any], let_in: bool) -> None:
    assert (user("anna", **who) == r"ACME\anna") is let_in


def test_who_is_denied_is_told_by_which_rule() -> None:
    by_rule = judge(Accept("anna", claims=CLAIMS), deny=[GROUP | HERE | {"users": "a*"}])
    by_default = judge(Accept("anna", claims=CLAIMS), allow=[{"users": "bob"}])
    assert isinstance(by_rule, Denied)
    assert isinstance(by_default, Denied)
    said = r"ACME\anna is not let in by deny: users a* and groups Sales and networks 10.0.0.0/8"
    assert (by_rule.word, by_rule.rule) == ("denied_by_rule", said)
    assert (by_default.word, by_default.why[-1]) == ("denied_by_default", by_default.rule)


def test_what_is_no_address_is_in_no_allowed_network_and_in_every_denied_one() -> None:
    assert isinstance(judge(Accept("anna"), "unknown", allow=[HERE]), Denied)
    assert isinstance(judge(Accept("anna"), "unknown", deny=[HERE]), Denied)
    assert isinstance(judge(Accept("anna"), "::ffff:10.1.2.3", allow=[HERE]), Identity)
    assert isinstance(judge(Accept("anna"), "fd00::1%eth0", allow=[ELSEWHERE]), Identity)


@given(st.lists(st.text("aAbB", max_size=5), min_size=1, max_size=5), st.text("abc*", max_size=5))
def test_a_pattern_is_like_whatever_stands_for_its_stars(pieces: list[str], between: str) -> None:
    assert like("*".join(pieces), between.join(pieces))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("", "a"), ("a", ""), ("a*a", "a"), ("*b*c", "ac"), ("*ab*ba*", "aba"), ("a", "ba"), ("b*", "ab")],
)
def test_a_pattern_must_be_like_all_of_a_text(pattern: str, text: str) -> None:
    assert not like(pattern, text)


def test_a_way_to_log_in_replaces_what_is_said_for_all_but_adds_to_what_is_denied() -> None:
    whole = WhoConfig.model_validate({"case": "lower", "deny": [{"users": "bob"}], "allow": [GROUP]})
    one = WhoConfig.model_validate({"deny": [{"users": "eve"}], "allow": [{"users": "*"}]}).over(whole)
    rules = Rules(one, "ACME")
    known = [isinstance(identify(Accept(name), "", rules), Identity) for name in ("Anna", "bob", "eve")]
    assert (known, one.case) == ([True, False, False], "lower")


# attributes

# (values of the claim, rule, what Qlik gets)
GROUPS = [
    (("Sales", "Sales", "Ops"), {}, ["Sales", "Ops"]),
    (("Sales", "Ops"), {"keep": "sal*"}, ["Sales"]),
    ((SALES_DN, "cn=Ops"), {"take": "cn"}, ["Qlik-Sales, East", "Ops"]),
    ((SALES_DN,), {"take": "cn", "keep": "Qlik-*"}, []),
    ((SALES_DN,), {"take": "cn", "keep": "CN=Qlik-*", "cut": "Qlik-"}, ["Sales, East"]),
    (("Qlik-fin", "fin"), {"cut": "Qlik-", "rename": {"fin": "Finance"}}, ["Finance"]),
    (("OU=Sales,DC=x",), {"take": "cn"}, ["OU=Sales,DC=x"]),
    (("Qlik-", "a;b", "a\nb", "Ops"), {"cut": "Qlik-"}, ["Ops"]),
]


@pytest.mark.parametrize(("came", "rule", "given_to_qlik"), GROUPS)
def test_groups_are_filtered_and_rewritten(
    came: tuple[str, ...], rule: dict[str, Any], given_to_qlik: list[str]
) -> None:
    assert values(*came, **rule) == given_to_qlik


def test_what_qlik_cannot_be_given_is_cut_and_named() -> None:
    assert attributes({"groups": ("a;b", "Ops")}).cut == ("Group='a;b': empty, or with a ; or a control character",)


def test_an_attribute_may_come_from_several_claims_and_need_not_come_at_all() -> None:
    both = attributes({"groups": ("Sales",), "roles": ("Analyst",)}, claim=["groups", "roles"])
    assert [value for _, value in both.attributes.pairs] == ["Sales", "Analyst"]
    assert attributes({}).attributes.pairs == ()


@pytest.mark.parametrize(
    ("dn", "cn"),
    [(r"CN=M\C3\BCller\2C A", "Müller, A"), ("cn = Ops+uid=1", "Ops"), (r"CN=a\\b,DC=x", "a\\b"), ("Ops", "Ops")],
)
def test_the_cn_of_a_distinguished_name_loses_its_escapes(dn: str, cn: str) -> None:
    assert cn_of(dn) == cn


@given(st.lists(st.text("abcß", max_size=9), max_size=20), st.integers(0, 150))
def test_attributes_never_take_more_than_their_room_and_what_is_cut_is_named(groups: list[str], room: int) -> None:
    who = WhoConfig.model_validate({"attributes": [{"name": "G", "claim": "groups"}]})
    found = identify(Accept("anna", claims={"groups": tuple(groups)}), "", Rules(who, "ACME", room))
    assert isinstance(found, Identity)
    assert found.attributes.size <= room
    kept = {value for _, value in found.attributes.pairs}
    assert [one for one in found.cut if "beyond" in one] == [
        f"G={value}: beyond {room} bytes" for value in dict.fromkeys(groups) if value and value not in kept
    ]


def test_a_long_list_of_what_was_cut_is_shown_with_its_number() -> None:
    assert shown_cut(["a"] * (MOST_SHOWN + 5)).endswith("a ... and 5 more")
    assert shown_cut(["a", "b"]) == "a, b"


def test_what_everybody_gets_has_its_room_before_what_one_person_gets() -> None:
    login = {"method": "password_file", "file": "users"}
    plain = {"name": "sales", "prefix": "sales", "cookie": "c", "user_directory": "S", "upstreams": "https://q"}
    vp = VirtualProxyConfig.model_validate(plain | {"login": [login], "attributes": {"a": "b"}, "attributes_cap": 10})
    assert isinstance(vp.login[0], PasswordFileLogin)
    assert rules_of(vp, vp.login[0]).room == 10 - Attributes((("a", "b"),)).size
