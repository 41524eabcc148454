"""`qproxy whoami`, as an administrator calls it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from config_site import SALES, SERVER, ConfigSite

from qproxy.auth.method import Unavailable
from qproxy.auth.password_file import PasswordFile
from qproxy.auth.user_file import Entry
from qproxy.cli import main

WHO = """
anonymous: none
login:
  - {method: password_file, file: users}
who:
  domains: acme.example
  case: lower
  attributes: [{name: Group, claim: groups}]
  deny: [{networks: 192.0.2.0/24}, {users: "svc-*"}]
"""
HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$qm0MI1uVnYkb1LwHMiYhYw"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    config = ConfigSite(tmp_path).write(SERVER, sales=SALES.replace("anonymous: always\n", WHO)).directory
    (config / "users").write_text(f"{Entry('Anna', HASH).line}:Group=Sales\n", "utf-8")
    (config / "users").chmod(0o600)
    return config


def whoami(directory: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["whoami", str(directory), *map(str, words)])


def claims(directory: Path, said: object) -> Path:
    path = directory / "claims.json"
    path.write_text(json.dumps(said), "utf-8")
    return path


def test_a_person_of_the_file_is_shown_as_qlik_would_get_her_and_why(directory: Path) -> None:
    told = whoami(directory, "--as", "ANNA")
    assert told.exit_code == 0
    assert told.output.splitlines() == [
        "user directory  SALES",
        "user id         anna",
        "attributes      1, 13 bytes",
        "  Group = Sales",
        "why",
        "  1. user id 'Anna': as the way to log in names it",
        "  2. user id 'anna': case lower",
        "  3. user directory 'SALES': of user_directory",
        "  4. let in: no rule says otherwise",
        "  5. attribute Group: 0 values of groups",
    ]


def test_claims_are_mapped_as_they_would_be_at_a_login(directory: Path) -> None:
    said = {"groups": ["Sales", "a;b", 7, True, {"no": "text"}], "address": {"country": "SE"}, "none": None}
    told = whoami(directory, "--as", "Anna@acme.example", "--claims", claims(directory, said), "--json")
    found = json.loads(told.output)
    assert (found["vp"], found["method"], found["allowed"]) == ("sales", "password_file", True)
    assert (found["user_directory"], found["user_id"], found["bytes"]) == ("SALES", "anna", 34)
    assert [one["value"] for one in found["attributes"]] == ["Sales", "7", "true"]
    assert len(found["cut"]) == 1


def test_who_is_not_let_in_gives_another_exit_status_and_the_rule(directory: Path) -> None:
    told = whoami(directory, "--as", "svc-reload", "--claims", claims(directory, {}))
    assert (told.exit_code, told.output.splitlines()[0]) == (1, "not let in      denied_by_rule")
    as_data = whoami(directory, "--as", "Anna", "--address", "192.0.2.9", "--json")
    assert (as_data.exit_code, json.loads(as_data.output)["word"]) == (1, "denied_by_rule")


@pytest.mark.parametrize("content", ["[]", "no json", "[" * 100_000, '{"a": "' + "x" * 1_100_000 + '"}'])
def test_a_file_that_holds_no_claims_is_refused(directory: Path, content: str) -> None:
    (directory / "claims.json").write_text(content, "utf-8")
    assert whoami(directory, "--as", "anna", "--claims", directory / "claims.json").exit_code == 2


# (what, options, what is said of them)
QUESTIONS = [
    ("nobody", [], "say who with --as NAME"),
    ("a stranger", ["--as", "eve"], "password_file knows nobody by the name 'eve'"),
    (
        "no such virtual proxy",
        ["--as", "anna", "--vp", "finance"],
        "there is no virtual proxy 'finance': there are sales",
    ),
    ("no such way", ["--as", "anna", "--method", "oidc"], "there is no way to log in 'oidc'"),
    ("no address", ["--as", "anna", "--address", "10.1"], "'10.1' is no IP address"),
    ("no file", ["--claims", "nowhere.json"], "nowhere.json cannot be read"),
]


@pytest.mark.parametrize(("options", "said"), [row[1:] for row in QUESTIONS], ids=[row[0] for row in QUESTIONS])
def test_a_question_that_cannot_be_answered_says_what_would_do(directory: Path, options: list[str], said: str) -> None:
    told = whoami(directory, *options)
    assert (told.exit_code, said in told.output) == (2, True), told.output


def test_what_everybody_gets_is_shown_too(directory: Path) -> None:
    text = (directory / "sales.yaml").read_text("utf-8")
    (directory / "sales.yaml").write_text(f"{text}attributes: {{Site: [Oslo, Bergen]}}\n", "utf-8")
    shown = whoami(directory, "--as", "anna").output.splitlines()
    assert (shown[2], shown[-1]) == ("attributes      3, 37 bytes", "  6. attribute Site: 2 values that everybody gets")


def test_claims_without_a_name_need_one(directory: Path) -> None:
    assert "say it with --as" in whoami(directory, "--claims", claims(directory, {"sub": "1"})).output


def test_which_of_several_ways_is_meant_must_be_said(directory: Path) -> None:
    two = "login:\n  - {method: password_file, id: guests, file: users}\n"
    text = (directory / "sales.yaml").read_text("utf-8").replace("login:\n", two)
    (directory / "sales.yaml").write_text(text, "utf-8")
    assert (
        "say which way to log in with --method: there are guests, password_file"
        in whoami(directory, "--as", "anna").output
    )


def test_a_bad_configuration_and_a_file_that_cannot_be_asked_have_exit_statuses_of_their_own(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(_: PasswordFile, __: str) -> None:
        raise Unavailable("the file of users cannot be read")

    monkeypatch.setattr(PasswordFile, "find", find)
    assert whoami(directory, "--as", "anna").exit_code == 69
    (directory / "server.yaml").unlink()
    assert whoami(directory, "--as", "anna").exit_code == 78


def test_what_a_terminal_would_obey_is_quoted(directory: Path) -> None:
    told = whoami(directory, "--as", "an\x1bna", "--claims", claims(directory, {}))
    assert (told.exit_code, "\x1b" in told.output) == (1, False)


OIDC = """
login:
  - {method: oidc, issuer: "https://idp.example", client_id: qproxy, user_id: [upn, sub]}
"""


@pytest.mark.parametrize(("said", "user"), [({"sub": "s1", "upn": "anna"}, "anna"), ({"sub": "s1"}, "s1")])
def test_the_claim_that_the_way_to_log_in_takes_for_the_name_is_the_name(
    tmp_path: Path, said: dict[str, str], user: str
) -> None:
    config = ConfigSite(tmp_path).write(SERVER, sales=SALES.replace("anonymous: always\n", OIDC)).directory
    told = whoami(config, "--claims", claims(config, said), "--json")
    assert json.loads(told.output)["user_id"] == user
