"""What an administrator gets wrong in `who`: every mistake that could make two people one, or let everybody in."""

from pathlib import Path

import pytest
from config_site import SALES, ConfigSite

PEOPLE = "login: [{method: password_file, file: users}]\n"

# (what, who, problem)
ROWS = [
    ("no claim", "user_id: anna", "who.user_id: names no claim, as {preferred_username} does: everybody would be"),
    ("domain in the id", 'user_id: "{name}{DOMAIN}"', "who.user_id: cannot hold {DOMAIN}"),
    ("half a brace", 'user_id: "{name"', "who.user_id: must be text with names of claims in braces"),
    ("empty braces", 'user_directory: "{}"', "who.user_directory: must be text with names of claims"),
    ("Qlik's own", "user_directory: Internal", "who.user_directory: is a user directory of Qlik's own accounts"),
    ("no domains", 'user_directory: "{DOMAIN}"', "who.user_directory: needs `domains`"),
    ("any domain", 'domains: "*"', "who.domains: takes any domain off and forgets it"),
    ("pattern of domains", 'domains: "*.acme.example"', "who.domains: must be a domain such as acme.example"),
    ("address for a domain", "domains: [anna@acme.example]", "who.domains[0]: must be a domain such as"),
    ("case", "case: small", "who.case: must be 'keep', 'lower' or 'upper'"),
    ("empty rule", "deny: [{}]", "who.deny[0]: is an empty rule: say whom it is for"),
    ("empty patterns", "allow: [{claims: {groups: []}}]", "who.allow[0].claims.groups: must not be empty"),
    ("blank pattern", 'allow: [{users: " "}]', "who.allow[0].users: must not be empty"),
    ("unknown key", "allow: [{group: x}]", "who.allow[0].group: is not a known key"),
    ("network", "deny: [{networks: 10.0.0.1/8}]", "who.deny[0].networks: must be a network address"),
    ("no claim for an attribute", "attributes: [{name: Group}]", "who.attributes[0].claim: is missing"),
    ("name of an attribute", "attributes: [{name: a=b, claim: x}]", "who.attributes[0].name: must have names in ASCII"),
]


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path)


def sales(who: str, login: str = PEOPLE) -> str:
    return SALES.replace("anonymous: always\n", f"{login}{f'who: {{{who}}}' if who else ''}\n")


@pytest.mark.parametrize(("who", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_bad_rule_is_refused_with_the_place(site: ConfigSite, who: str, expected: str) -> None:
    problems = site.write(sales=sales(who)).problems(files=False)
    assert [problem for problem in problems if expected in problem], problems


def test_what_one_way_says_is_judged_with_what_is_said_for_all_and_told_once(site: ConfigSite) -> None:
    login = (
        "login:\n  - {method: password_file, file: users, who: {domains: '*'}}\n"
        "  - {method: password_file, id: two, file: users}\n  - {method: password_file, id: three, file: users}\n"
    )
    site.write(sales=sales('user_directory: "{DOMAIN}"', login))
    assert [problem.split(": ")[1:3] for problem in site.problems(files=False)] == [
        ["who.user_directory", "needs `domains`"]
    ]
    site.write(sales=sales("case: lower", login))
    assert [problem.split(": ")[1] for problem in site.problems(files=False)] == ["login[0].who.domains"]


def test_allow_rules_that_say_nothing_are_a_warning(site: ConfigSite) -> None:
    config = site.write(sales=sales("allow: [{users: anna}], otherwise: allow")).load(files=False)
    assert [one.key for one in config.warnings if "everybody is let in" in one.text] == ["who.otherwise"]
