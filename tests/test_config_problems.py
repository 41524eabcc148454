"""What an administrator gets wrong: bad files, and the line, column and words that are said of each."""

import os
from pathlib import Path

import pytest
from config_site import SALES, SERVER, ConfigSite


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path)


# (what, text in SERVER that is replaced, by what, problem)
SERVER_ROWS = [
    ("unknown key", "listen:", "lisen:", "server.yaml:3:3: public.lisen: is not a known key: did you mean listen?"),
    (
        "hyphen",
        "store:",
        "by-qlik: {cap: 5}\n  store:",
        "5:3: sessions.by-qlik: is not a known key: did you mean by_qlik?",
    ),
    ("moved key", "public:", "head: 5s\npublic:", "1:1: head: does not stand here: did you mean timeouts.head?"),
    (
        "odd key",
        "public:",
        "zzz: 5s\npublic:",
        "1:1: zzz: is not a known key: here may stand internal, limits, logging",
    ),
    ("no public url", "url: https://bi.example.com", "names: [a.b]", "1:1: public.url: is missing: The address that"),
    ("url with path", "example.com", "example.com/hub", "2:8: public.url: must end after the host or port: no path"),
    ("url with password", "bi.ex", "anna:pw@bi.ex", "2:8: public.url: must not hold a user name or password"),
    ("http", "https:", "http:", "2:8: public.url: may be http only on this machine (localhost): passwords need https"),
    (
        "bad value",
        "store: memory",
        "store: mysql",
        "5:10: sessions.store: must be 'sqlite', 'memory' or 'redis' (got 'mysql')",
    ),
    (
        "text for mapping",
        "store: memory",
        "by_qlik: 5",
        "5:12: sessions.by_qlik: must be a mapping: `key: value` lines",
    ),
    ("list for text", "https://bi.example.com", "[a, b]", "2:8: public.url: must begin with https://"),
    (
        "too small",
        "sessions:",
        "limits: {connections: 0}\nsessions:",
        "4:23: limits.connections: must be at least 1 (got '0')",
    ),
    ("too big", "sessions:", "limits: {head_bytes: 65537}\nsessions:", "limits.head_bytes: must be at most 65536 (got"),
    (
        "octal",
        "sessions:",
        "limits: {connections: 017}\nsessions:",
        "must be a whole number in plain digits (no leading",
    ),
    (
        "duration",
        "sessions:",
        "timeouts: {head: 5 min}\nsessions:",
        "4:18: timeouts.head: must be a duration such as 30s",
    ),
    ("never", "sessions:", "timeouts: {head: never}\nsessions:", "4:18: timeouts.head: must be a duration such as 30s"),
    (
        "public without tls",
        "127.0.0.1:8000",
        "0.0.0.0:443",
        "3:11: public.listen: would serve plain http on 0.0.0.0:443",
    ),
    (
        "second address",
        "127.0.0.1:8000",
        "[127.0.0.1:80, 10.1.2.3:80]",
        "3:26: public.listen[1]: would serve plain http",
    ),
    ("unset variable", "bi.example.com", "${HOST}", "2:8: public.url: the environment variable HOST is not set"),
    ("no sqlite path", "store: memory", "key: ${SESSION_KEY}", "4:1: sessions.path: is needed by the sqlite store"),
    (
        "no key",
        "store: memory",
        "path: /tmp/x.db",
        "4:1: sessions.key_file: is needed by the sqlite store, which encrypts",
    ),
    ("empty key", "store: memory", "key: ${EMPTY}\n  path: x.db", "5:8: sessions.key: must hold 32 bytes as base64"),
    ("short key", "store: memory", "key: ${FINANCE_DIRECTORY}\n  path: x.db", "5:8: sessions.key: must hold 32 bytes"),
    (
        "two keys",
        "store: memory",
        "key: ${SESSION_KEY}\n  key_file: x\n  path: x.db",
        "5:8: sessions.key: and sessions",
    ),
    (
        "http and tls",
        "https://bi.example.com",
        "http://localhost\n  tls: {certificate: x, key: y}",
        "is http while public",
    ),
    ("literal key", "store: memory", "key: 0123\n  path: x.db", "5:8: sessions.key: must be ${NAME} of an environment"),
    ("no directory", "store: memory", "path: none/x.db\n  key: ${SESSION_KEY}", "5:9: sessions.path: the directory"),
    ("log is a directory", "sessions:", "logging: {access: .}\nsessions:", "4:19: logging.access: "),
    (
        "idle",
        "memory",
        "memory\n  by_qlik: {lifetime: {idle: 2d}}",
        "6:30: sessions.by_qlik.lifetime.idle: is longer than",
    ),
]
INTERNAL_ROWS = [
    (
        "open to all",
        "listen: 0.0.0.0:8443",
        "5:11: internal.listen: would let anybody who reaches 0.0.0.0:8443 make and",
    ),
    (
        "open by IPv6",
        "listen: '[::]:8443'",
        "5:11: internal.listen: would let anybody who reaches [::]:8443 make and",
    ),
    ("open to a network", "listen: 10.1.2.3:8443", "5:11: internal.listen: would let anybody who reaches 10.1.2.3"),
    (
        "everybody allowed",
        "allow: [10.0.0.0/8, 0.0.0.0/0]",
        "5:23: internal.allow[1]: is everybody: name the Qlik nodes'",
    ),
    ("host bits", "allow: 10.1.2.3/24", "5:10: internal.allow: must be a network address: did you mean 10.1.2.0/24"),
    ("client CA without tls", "client_ca: root.pem", "5:14: internal.client_ca: needs internal.tls"),
    ("no client CA", "client_ca: root.pem", "5:14: internal.client_ca: "),
    ("public address", "listen: 127.0.0.1:8000", "5:11: internal.listen: is the public listener's address too"),
    ("public address in words", "listen: localhost:8000", "internal.listen: is the public listener's address too"),
    (
        "around the public",
        "listen: 0.0.0.0:8000\n  allow: 10.0.0.0/8",
        "is the public listener's address too (127.0.0.1",
    ),
    ("no url", "listen: 0.0.0.0:8443\n  allow: 10.0.0.0/8", "4:1: internal.url: is needed: Qlik cannot call 0.0.0.0"),
]
SALES_ROWS = [
    ("unknown key", "cookie:", "cokie:", "sales.yaml:2:1: cokie: is not a known key: did you mean cookie?"),
    (
        "missing key",
        "cookie: X-Qlik-Session-sales\n",
        "",
        "1:1: cookie: is missing: Session cookie header name in the QMC",
    ),
    (
        "prefix",
        "prefix: sales",
        "prefix: /Sales",
        "1:9: prefix: must be written without a slash at its ends (got '/Sales')",
    ),
    ("reserved", "prefix: sales", "prefix: hub", "1:9: prefix: is a word that Qlik or qproxy uses for its own paths"),
    ("no prefix", "prefix: sales", "prefix:", '1:8: prefix: has no value: give it one ("" is an empty text)'),
    ("null by hand", "prefix: sales", "prefix: ~", '1:9: prefix: has no value: give it one ("" is an empty text)'),
    ("cookie suffix", "-sales\n", "-HTTP\n", "2:9: cookie: must be the name as in the QMC"),
    ("directory", ": SALES", ": INTERNAL", "3:17: user_directory: is a user directory of Qlik's own accounts"),
    (
        "name",
        "prefix:",
        "name: x\nprefix:",
        "1:7: name: does not stand in the file: a virtual proxy has the name of its",
    ),
    ("no upstream", "http://localhost:8080", "[]", "4:12: upstreams: must not be empty"),
    ("upstream twice", "http://localhost:8080", "[http://a, http://a:80]", "4:23: upstreams[1]: is listed twice"),
    ("mixed", "http://localhost:8080", "[http://a, https://b]", "4:23: upstreams[1]: mixes http and https"),
    ("itself", "http://localhost:8080", "https://bi.example.com", "4:12: upstreams: is qproxy's own public address"),
    (
        "no CA",
        "http://localhost:8080",
        "https://qlik1",
        "1:1: upstream_tls: is needed for https: `upstream_tls: {ca: root.pem}`",
    ),
    (
        "idle CA",
        "anonymous:",
        "upstream_tls: {ca: x}\nanonymous:",
        "5:15: upstream_tls: is given, but the upstreams are http",
    ),
    (
        "half a pair",
        "http://localhost:8080",
        "https://q\nupstream_tls: {ca: x, client_key: y}",
        "5:15: upstream_tls: needs client_certificate and client_key together, or neither",
    ),
    ("mode without API", "anonymous:", "mode: ticket\nanonymous:", "5:7: mode: is ticket, which needs qps_api"),
    ("unknown mode", "anonymous:", "mode: push\nanonymous:", "5:7: mode: must be 'session_module', 'session_api' or"),
    (
        "API without certificate",
        "anonymous:",
        "qps_api: {ca: x, client_key: y}\nanonymous:",
        "5:1: qps_api.client_certificate: is missing",
    ),
    (
        "API over http",
        "anonymous:",
        "qps_api: {urls: 'http://q:4243', ca: x, client_certificate: y, client_key: z}\nanonymous:",
        "qps_api.urls: must be https: the client certificate is all that the API knows us by",
    ),
    (
        "another number of APIs",
        "anonymous:",
        "qps_api: {urls: ['https://q:1', 'https://r:1'], ca: x, client_certificate: y, client_key: z}\nanonymous:",
        "qps_api.urls: are 2, upstreams are 1: name the API of each node, in the same order",
    ),
    (
        "no path",
        "anonymous:",
        'login: [{method: password_file, file: " "}]\nanonymous:',
        "login[0].file: must be the path",
    ),
    ("no login", "always", "allow", "1:1: login: names no way to log in: give one, or set anonymous to always"),
    ("anonymous", "always", "yes", "5:12: anonymous: must be 'none', 'allow' or 'always' (got 'yes')"),
    (
        "method",
        "anonymous:",
        "login: [{method: nis, file: x}]\nanonymous:",
        "5:18: login[0].method: must be one of 'password_file'",
    ),
    (
        "method key",
        "anonymous:",
        "login: [{method: password_file}]\nanonymous:",
        "5:9: login[0].file: is missing: That file",
    ),
    (
        "login key",
        "anonymous:",
        "login: [{method: password_file, fil: x}]\nanonymous:",
        "5:33: login[0].fil: is not a known",
    ),
    ("login mapping", "anonymous:", "login: {method: password_file}\nanonymous:", "5:8: login: must be a list"),
    ("idle", "anonymous:", "lifetime: {idle: 1d}\nanonymous:", "5:18: lifetime.idle: is longer than absolute"),
    (
        "attributes",
        "anonymous:",
        "attributes: {a: [x]}\nattributes_cap: 3\nanonymous:",
        "5:13: attributes: take 5 bytes",
    ),
    (
        "flag",
        "anonymous:",
        "require_origin: maybe\nanonymous:",
        "5:17: require_origin: must be true or false (got 'maybe')",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "expected"), [row[1:] for row in SERVER_ROWS], ids=[row[0] for row in SERVER_ROWS]
)
def test_a_bad_server_file_is_refused_with_the_place(site: ConfigSite, old: str, new: str, expected: str) -> None:
    assert old in SERVER
    problems = site.write(SERVER.replace(old, new, 1)).problems()
    assert [problem for problem in problems if expected in problem], problems


@pytest.mark.parametrize(
    ("text", "expected"), [row[1:] for row in INTERNAL_ROWS], ids=[row[0] for row in INTERNAL_ROWS]
)
def test_a_bad_internal_listener_is_refused_with_the_place(site: ConfigSite, text: str, expected: str) -> None:
    problems = site.write(SERVER.replace("sessions:", f"internal:\n  {text}\nsessions:")).problems()
    assert [problem for problem in problems if expected in problem], problems


@pytest.mark.parametrize(
    ("old", "new", "expected"), [row[1:] for row in SALES_ROWS], ids=[row[0] for row in SALES_ROWS]
)
def test_a_bad_virtual_proxy_is_refused_with_the_place(site: ConfigSite, old: str, new: str, expected: str) -> None:
    assert old in SALES
    problems = site.write(sales=SALES.replace(old, new, 1)).problems()
    assert [problem for problem in problems if expected in problem], problems


WARNINGS = [
    ("memory", SERVER, SALES, "server.yaml:5:10: sessions.store: is memory: every restart logs everybody out"),
    (
        "trust",
        SERVER + "trusted_proxies: [0.0.0.0/0]",
        SALES,
        "server.yaml:6:19: trusted_proxies[0]: believes anybody's",
    ),
    ("no trust", SERVER, SALES, "server.yaml:2:3: public: has no tls and trusted_proxies is empty"),
    (
        "http",
        SERVER,
        SALES.replace("localhost", "qlik1"),
        "sales.yaml:4:12: upstreams: is http: session cookies cross",
    ),
    (
        "frames",
        SERVER.replace("https://bi.example.com", "http://localhost:8000"),
        SALES + "same_site: none",
        "sales.yaml:6:12: same_site: is none, but the public url is http",
    ),
    (
        "internal http",
        SERVER + "internal: {listen: 10.1.2.3:8443, allow: 10.1.2.0/24}",
        SALES,
        "server.yaml:6:20: internal.listen: is plain http beyond this machine",
    ),
    (
        "internal url",
        SERVER + "internal: {url: https://a.b}",
        SALES,
        "server.yaml:6:17: internal.url: is https, but internal.tls is not given",
    ),
    (
        "useless login",
        SERVER,
        SALES + "login: [{method: password_file, file: sales.yaml}]",
        "sales.yaml:6:8: login: is never used: with anonymous: always Qlik takes everybody for anonymous",
    ),
]


@pytest.mark.parametrize(
    ("server", "sales", "expected"), [row[1:] for row in WARNINGS], ids=[row[0] for row in WARNINGS]
)
def test_what_may_be_a_mistake_is_a_warning(site: ConfigSite, server: str, sales: str, expected: str) -> None:
    site.write(server, sales=sales)
    os.chmod(site.directory / "sales.yaml", 0o600)
    warnings = site.warnings()
    assert [warning for warning in warnings if warning.startswith(expected)], warnings
