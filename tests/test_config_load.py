"""A whole directory: everything that is wrong comes at once, with file, line, column and key."""

from pathlib import Path

import pytest
from config_site import SALES, SERVER, ConfigSite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qproxy.settings import ConfigError


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path)


def test_two_small_files_are_a_configuration(site: ConfigSite) -> None:
    config = site.write().load()
    assert (config.server.public.host, [vp.name for vp in config.virtual_proxies]) == ("bi.example.com", ["sales"])


def test_examples_and_hidden_files_are_left_alone(site: ConfigSite) -> None:
    site.write()
    for name in ("server.example.yaml", "other.example.yaml", ".hidden.yaml", "notes.txt"):
        (site.directory / name).write_text("not: [yaml")
    assert site.problems() == []


def test_all_problems_of_all_files_come_at_once(site: ConfigSite) -> None:
    problems = site.write("public: {}\nlimit: {}\n", sales="prefix: Sales\n", other="- a\n").problems()
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["server.yaml:1:1", "public.url"],
        ["server.yaml:2:1", "limit"],
        ["other.yaml:1:1", "the file must hold `key"],
        ["sales.yaml:1:1", "cookie"],
        ["sales.yaml:1:1", "upstreams"],
        ["sales.yaml:1:1", "user_directory"],
        ["sales.yaml:1:9", "prefix"],
    ]


def test_two_files_may_not_share_a_prefix(site: ConfigSite) -> None:
    problems = site.write(sales=SALES, other=SALES.replace("-sales", "-other")).problems()
    assert problems == ["sales.yaml:1:9: prefix: 'sales' is the prefix of other.yaml too"]


def test_two_files_may_not_share_a_cookie(site: ConfigSite) -> None:
    (problem,) = site.write(
        sales=SALES, other=SALES.replace("prefix: sales", "prefix: x").replace("-Qlik", "-QLIK")
    ).problems()
    assert problem.startswith("sales.yaml:2:9: cookie: X-Qlik-Session-sales-HTTP is the cookie of other.yaml too")


def test_a_file_with_an_unset_variable_is_not_compared_with_others(site: ConfigSite) -> None:
    unset = SALES.replace("prefix: sales", "prefix: ${NOBODY}")
    problems = site.write(sales=unset, other=SALES.replace("prefix: sales", 'prefix: ""')).problems()
    assert problems == ["sales.yaml:1:9: prefix: the environment variable NOBODY is not set"]


def test_an_empty_directory_says_where_to_begin(site: ConfigSite) -> None:
    problems = site.problems()
    assert problems == [
        f"{site.directory}: has no server.yaml: begin with a copy of server.example.yaml",
        f"{site.directory}: has no virtual proxy: begin with a copy of sales.example.yaml, named NAME.yaml",
    ]


def test_a_directory_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    site = ConfigSite(tmp_path)
    site.directory.rmdir()
    assert site.problems() == [f"{site.directory}: cannot be read: No such file or directory"]


@pytest.mark.parametrize("name", ["other.yml", "other.yaml.txt", "Other.YAML", "server.yml"])
def test_a_file_that_nobody_would_read_is_told(site: ConfigSite, name: str) -> None:
    (site.write().directory / name).write_text(SALES)
    (problem,) = site.problems()
    assert problem.startswith(f"{name}: would not be read: name it ")


@pytest.mark.parametrize("name", ["Sales.yaml", "a_b.yaml", "-a.yaml", "a.b.yaml"])
def test_a_virtual_proxy_needs_a_plain_name(site: ConfigSite, name: str) -> None:
    (site.write().directory / name).write_text(SALES)
    (problem,) = site.problems()
    assert problem.startswith(f"{name}: names a virtual proxy by its file name: use a-z, 0-9 and - only")


def test_what_a_variable_holds_is_in_no_problem(site: ConfigSite) -> None:
    hidden = dict.fromkeys(["NAME"], "Sw0rdfish ")
    site.write(
        SERVER.replace("bi.example.com", "${NAME}"), sales=SALES.replace("sales", "${NAME}").replace("8080", "${NAME}")
    )
    problems = site.problems(hidden)
    assert len(problems) == 4
    assert "sw0rdfish" not in "\n".join(problems).lower()


def test_a_bad_session_key_is_not_repeated(site: ConfigSite) -> None:
    server = SERVER.replace("store: memory", "key: ${SESSION_KEY}\n  path: x.db")
    problems = site.write(server).problems({"SESSION_KEY": "Sw0rdfish"})
    assert len(problems) == 1
    assert "Sw0rdfish" not in problems[0]


def test_a_session_key_in_the_file_is_not_repeated(site: ConfigSite) -> None:
    problems = site.write(SERVER.replace("store: memory", "key: [Sw0rdfish]\n  path: x.db")).problems()
    assert len(problems) == 1
    assert "Sw0rdfish" not in problems[0]


def test_the_problems_print_as_one_line_each(site: ConfigSite) -> None:
    with pytest.raises(ConfigError) as caught:
        site.write(sales="- a").load()
    assert str(caught.value) == f"{site.directory}/sales.yaml:1:1: the file must hold `key: value` lines"


LINES = sorted(
    {*SERVER.splitlines(), *SALES.splitlines(), "tls: {certificate: x, key: y}", "  key: ${SESSION_KEY}", "a: [", "-"}
)
SCRAMBLED = st.lists(st.sampled_from(LINES) | st.text(max_size=20), max_size=12).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(server=SCRAMBLED, sales=SCRAMBLED)
def test_no_text_makes_anything_else_than_a_config_error(site: ConfigSite, server: str, sales: str) -> None:
    for name, text in (("server", server), ("sales", sales)):
        (site.directory / f"{name}.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert site.problems() == site.problems()
