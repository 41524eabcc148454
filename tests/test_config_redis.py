"""What sessions.redis may say: problems at their place, with what to do."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from config_site import ENVIRON, SERVER, ConfigSite

from qproxy.config.store_models import parse_redis_url
from qproxy.session_keys import configured_keys
from qproxy.sessions.redis import RedisStore
from qproxy.stores import session_store


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path).with_files()


def with_redis(site: ConfigSite, redis: str) -> ConfigSite:
    return site.write(
        SERVER.replace("store: memory", f"store: redis\n  key: ${{SESSION_KEY}}\n  grace: 1m\n  redis: {redis}")
    )


def warnings(site: ConfigSite) -> list[str]:
    return [said for said in site.warnings() if "sessions" in said]


@pytest.mark.parametrize(
    "redis",
    [
        "{url: 'redis://localhost'}",
        "{url: 'rediss://r.internal:7000', database: 3, tls: {ca: ../certs/root.pem}}",
        "{url: 'unix:///run/valkey/valkey.sock'}",
        "{sentinels: [s1.internal, 's2.internal:26380'], master: m, sentinel_password: '${REDIS_PASSWORD}', tls: {}}",
        "{cluster: [r1.internal, r2.internal], username: q, password: '${REDIS_PASSWORD}', tls: {}}",
    ],
)
def test_each_way_to_name_redis_gives_a_store(site: ConfigSite, redis: str) -> None:
    config = with_redis(site, redis).load()
    assert warnings(site) == []
    assert isinstance(session_store(config, configured_keys(config.server.sessions, 0.0)), RedisStore)


@pytest.mark.parametrize(
    ("redis", "problem"),
    [
        ("{prefix: q}", "is needed by the redis store: give one of url, sentinels and cluster"),
        ("{url: 'redis://localhost', cluster: localhost}", "has url and cluster: keep one of them"),
        ("{cluster: localhost, database: 1}", "is 1, but a Cluster has only database 0"),
        ("{url: 'redis://localhost', tls: {}}", "is redis://, but tls is given: write rediss://"),
        ("{url: 'redis://localhost', password: hunter2}", "must be ${NAME} of an environment variable"),
        ("{url: 'redis://localhost', password_file: nowhere}", "nowhere cannot be read"),
        ("{url: 'rediss://localhost', tls: {ca: nowhere.pem}}", "nowhere.pem cannot be read"),
        ("{url: 'rediss://localhost', tls: {client_key: ../certs/client_key.pem}}", "together, or neither"),
        ("{url: 'redis://localhost', prefix: 'a{b'}", "prefix"),
        ("{url: 'redis://user:pw@localhost'}", "must not hold a user name or password"),
    ],
)
def test_what_does_not_fit_is_named(site: ConfigSite, redis: str, problem: str) -> None:
    (said,) = with_redis(site, redis).problems()
    assert said.startswith("server.yaml:8:")
    assert problem in said
    assert "hunter2" not in said


def test_what_this_machine_cannot_do_is_named(site: ConfigSite, monkeypatch: pytest.MonkeyPatch) -> None:
    with_redis(site, "{url: 'unix:///run/valkey.sock'}")
    monkeypatch.setattr("qproxy.config.files.find_spec", lambda name: None)
    monkeypatch.setattr("qproxy.config.files.os", SimpleNamespace(name="nt"))
    extra, windows = site.problems()
    assert "pip install 'qproxy[redis]'" in extra
    assert "which Python does not offer on Windows" in windows


def test_two_passwords_are_one_too_many(site: ConfigSite) -> None:
    redis = "{url: 'redis://localhost', password: '${REDIS_PASSWORD}', password_file: ../certs/session.key}"
    assert "and password_file are both given" in with_redis(site, redis).problems()[0]


@pytest.mark.parametrize("redis", ["{url: 'redis://r.internal'}", "{sentinels: s1.internal}", "{cluster: r1.internal}"])
def test_plain_text_beyond_this_machine_is_warned_of(site: ConfigSite, redis: str) -> None:
    (said,) = warnings(with_redis(site, redis))
    assert "is spoken to without TLS" in said


def test_the_store_needs_a_key_that_all_machines_share(site: ConfigSite) -> None:
    text = "store: redis\n  redis: {url: 'redis://localhost'}"
    assert "is needed by the redis store" in site.write(SERVER.replace("store: memory", text)).problems()[0]


def test_no_password_stands_in_what_is_shown_of_a_configuration(site: ConfigSite) -> None:
    config = with_redis(site, "{url: 'redis://localhost', password: '${REDIS_PASSWORD}'}").load()
    assert ENVIRON["REDIS_PASSWORD"] not in repr(config) + config.server.model_dump_json()


@pytest.mark.parametrize("text", ["http://localhost", "redis://localhost/3", "redis://", "unix://here", "localhost", 3])
def test_what_is_no_redis_url_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_redis_url(text)


@pytest.mark.parametrize("text", ["redis://[::1]:6379", "rediss://r.internal:7000", "unix:///run/valkey.sock"])
def test_a_redis_url_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_redis_url(parse_redis_url(text))) == text
