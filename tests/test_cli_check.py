"""`qproxy check` and `qproxy schema`, as an administrator calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from config_site import SALES, SERVER, ConfigSite

from qproxy.cli import main


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def qmc(site: ConfigSite) -> dict[str, str]:
    """Field to value for the first virtual proxy."""
    rows: list[dict[str, Any]] = json.loads(run("check", site.directory, "--json").stdout)["virtual_proxies"][0]["qmc"]
    return {row["field"]: row["value"] for row in rows}


def test_a_good_configuration_exits_with_0(site: ConfigSite) -> None:
    done = run("check", site.write().directory)
    assert done.exit_code == 0
    assert "Session cookie header name = X-Qlik-Session-sales" in done.stdout


def test_warnings_go_to_the_error_stream(site: ConfigSite) -> None:
    done = run("check", site.write().directory)
    assert f"warning: {site.directory}/server.yaml:5:10: sessions.store: is memory" in done.stderr
    assert "no problems, 2 warnings" in done.stdout


def test_a_bad_configuration_exits_with_78_and_prints_every_problem(site: ConfigSite) -> None:
    done = run("check", site.write("x: y", sales="prefix: A").directory)
    assert done.exit_code == 78
    assert done.stdout == ""
    assert [line.count(f"{site.directory}/") for line in done.stderr.splitlines()] == [1] * 6


def test_the_default_directory_is_config(site: ConfigSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.write().root)
    assert run("check").exit_code == 0


def test_the_values_for_the_qmc_are_those_of_the_files(site: ConfigSite) -> None:
    site.write(SERVER + "internal: {url: 'https://qproxy.internal:8443'}\n", sales=SALES + "lifetime: {idle: 90s}\n")
    assert qmc(site) == {
        "Prefix": "sales",
        "Session inactivity timeout (minutes)": "2",
        "Session cookie header name": "X-Qlik-Session-sales",
        "Anonymous access mode": "Always anonymous user",
        "Authentication method": "Ticket",
        "Authentication module redirect URI": "https://bi.example.com/qproxy/login/sales",
        "Load balancing nodes": "at least one engine node",
        "Session module base URI": "https://qproxy.internal:8443/session-module/sales",
        "Session cookie domain": "",
        "Has secure attribute (http)": "on",
        "SameSite attribute (http)": "Lax",
        "Host allow list": "bi.example.com",
        "Proxies": "every node's proxy, and Central",
        "Professional or analyzer access rule": 'user.userDirectory="SALES"',
    }


@pytest.mark.parametrize(("mode", "module"), [("session_module", True), ("session_api", False), ("ticket", False)])
def test_the_values_for_the_qmc_follow_the_mode(tmp_path: Path, mode: str, module: bool) -> None:
    site = ConfigSite(tmp_path).with_files()
    api = "ca: ../certs/root.pem, client_certificate: ../certs/client.pem, client_key: ../certs/client_key.pem"
    values = qmc(site.write(sales=f"{SALES}mode: {mode}\nqps_api: {{{api}}}\n"))
    assert bool(values["Session module base URI"]) is module
    assert values["REST API listen port"] == "4243"
    assert "client_key.pem" in values["Export, with secrets key"]


def test_the_host_allow_list_has_every_name_once_and_no_port(site: ConfigSite) -> None:
    server = SERVER.replace("listen:", "names: [bi.example.com:8443, bi2.example.com]\n  listen:")
    site.write(server, sales=SALES + "allowed_origins: https://intranet.example.com:1234\n")
    assert qmc(site)["Host allow list"] == "bi.example.com, bi2.example.com, intranet.example.com"


def test_the_data_for_programs_holds_the_warnings(site: ConfigSite) -> None:
    warnings = json.loads(run("check", site.write().directory, "--json").stdout)["warnings"]
    assert [(warning["key"], warning["line"]) for warning in warnings] == [("public", 2), ("sessions.store", 5)]


def test_no_secret_is_printed(site: ConfigSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_KEY", "5ec2e7" * 11)
    site.write(SERVER.replace("store: memory", "path: x.db\n  key: ${SESSION_KEY}"))
    done = run("check", site.directory)
    assert done.exit_code == 78
    assert "5ec2e7" not in done.output


def test_on_a_terminal_the_values_are_a_table(
    site: ConfigSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from qproxy.config.report import print_report  # noqa: PLC0415

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    print_report(site.write().load())
    assert "│ X-Qlik-Session-sales" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["server", "virtual-proxy"])
def test_the_schema_describes_every_key(file: str) -> None:
    schema = json.loads(run("schema", file).stdout)
    parts = [schema, *schema["$defs"].values()]
    keys = [(name, key) for part in parts for name, key in part["properties"].items()]
    assert [name for name, key in keys if "description" not in key] == []


def test_the_schema_lets_no_key_be_null_and_asks_for_no_name() -> None:
    text = run("schema", "virtual-proxy").stdout
    assert "null" not in text
    assert json.loads(text)["required"] == ["prefix", "cookie", "user_directory", "upstreams"]


def test_the_schema_takes_one_value_or_a_list() -> None:
    listen = json.loads(run("schema").stdout)["$defs"]["PublicConfig"]["properties"]["listen"]
    assert [choice["type"] for choice in listen["anyOf"]] == ["string", "array"]
