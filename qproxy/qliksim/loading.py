"""Reads a node's settings from a YAML file, for `qproxy sim` and the demo.

The keys are the names of `settings.py`. Whatever is unknown or of the wrong type is refused with its place, because
a misspelt toggle would otherwise make a test pass for the wrong reason.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

import yaml

from qproxy.qliksim.settings import AppSettings, SimConfig, Toggles, VirtualProxySettings

Built = TypeVar("Built")
LISTENERS = {
    "http": "http_port",
    "https": "https_port",
    "rest": "rest_port",
    "legacy_auth": "legacy_auth_port",
    "control": "control_port",
}
PLAIN = ("release", "machine_names", "bind", "users_with_license", "max_sessions_per_user", "max_header_bytes",
         "max_header_line_bytes", "live_every_s", "keepalive_s", "module_timeout_s")  # fmt: skip
SECTIONS = ("listeners", "virtual_proxies", "apps", "toggles", "tls", "module_tls")


def load(path: Path) -> SimConfig:
    """The settings in a file; relative paths in it start at its directory. Raises ValueError with the place."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return parse(content, path.parent)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def parse(content: Any, directory: Path) -> SimConfig:
    """The settings of a parsed file; raises ValueError that names the key."""
    whole = _mapping(content, "the file", (*PLAIN, *SECTIONS))
    settings: dict[str, Any] = {key: _frozen(whole[key]) for key in PLAIN if key in whole}
    settings |= _ports(_mapping(whole.get("listeners") or {}, "listeners", LISTENERS))
    settings["toggles"] = build(Toggles, whole.get("toggles") or {}, "toggles")
    if "virtual_proxies" in whole:
        settings["virtual_proxies"] = _each(VirtualProxySettings, whole["virtual_proxies"], "virtual_proxies")
    apps = whole.get("apps") or []
    titled = [{"title": app.get("id"), **app} if isinstance(app, Mapping) else app for app in apps]
    settings["apps"] = _each(AppSettings, titled, "apps")
    return SimConfig(**settings, **_contexts(whole, directory))


def _mapping(content: Any, place: str, known: Sequence[str] | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise ValueError(f"{place}: keys and values are expected")
    for key in content:
        if key not in known:
            raise ValueError(f"{place}: unknown key {key!r}; known are {', '.join(known)}")
    return content


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def _ports(listeners: Mapping[str, Any]) -> dict[str, int | None]:
    """Port numbers by listener; `off` (false) leaves one out."""
    for name, port in listeners.items():
        if port is not False and (type(port) is not int or not 0 <= port < 65536):
            raise ValueError(f"listeners: {name}: a port number or off is expected, not {port!r}")
    return {LISTENERS[name]: None if port is False else port for name, port in listeners.items()}


def _each(kind: type[Built], content: Any, place: str) -> tuple[Built, ...]:
    if not isinstance(content, list):
        raise ValueError(f"{place}: a list is expected")
    return tuple(build(kind, item, f"{place}[{at}]") for at, item in enumerate(content))


def build(kind: type[Built], content: Any, place: str) -> Built:
    """One of the settings classes from a mapping; raises ValueError with the place."""
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    given = _mapping(content, place, known)
    missing = [name for name, each in known.items() if name not in given and _has_no_default(each)]
    if missing:
        raise ValueError(f"{place}: {', '.join(missing)} is missing")
    for name, value in given.items():
        kind_of_value: Any = known[name].type
        if not _fits(kind_of_value, value):
            expected = getattr(kind_of_value, "__name__", kind_of_value)
            raise ValueError(f"{place}: {name}: {value!r} is not of the type {expected}")
    return kind(**{name: _frozen(value) for name, value in given.items()})


def _has_no_default(setting: "Field[Any]") -> bool:
    return setting.default is MISSING and setting.default_factory is MISSING


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value has the declared type; a whole number will do for a fraction, a list for a tuple."""
    if isinstance(kind, UnionType):
        return any(_fits(each, value) for each in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, list)
    return type(value) is kind or (kind is float and type(value) is int)


def _contexts(whole: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    contexts: dict[str, Any] = {}
    if "tls" in whole:
        files = _mapping(whole["tls"], "tls", ("certificate", "key", "client_ca"))
        contexts |= server_contexts(*(_path(files, name, directory) for name in ("certificate", "key", "client_ca")))
    if "module_tls" in whole:
        files = _mapping(whole["module_tls"], "module_tls", ("ca", "certificate", "key"))
        contexts |= client_contexts(*(_path(files, name, directory) for name in ("ca", "certificate", "key")))
    return contexts


def _path(files: Mapping[str, Any], name: str, directory: Path) -> Path | None:
    return directory / str(files[name]) if files.get(name) else None


def server_contexts(certificate: Path | None, key: Path | None, client_ca: Path | None) -> dict[str, Any]:
    """`tls`, and `rest_tls` that asks for a client certificate of that authority when one is named."""
    if certificate is None:
        raise ValueError("tls: certificate is missing")
    contexts = {}
    for name in ("tls", "rest_tls") if client_ca else ("tls",):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        contexts[name] = context
    if client_ca:
        contexts["rest_tls"].verify_mode = ssl.CERT_OPTIONAL  # a missing one gets 403, as from Qlik
        contexts["rest_tls"].load_verify_locations(client_ca)
    return contexts


def client_contexts(ca: Path | None, certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """`module_ssl` with the node's certificate, `module_ssl_anonymous` without."""
    anonymous = ssl.create_default_context(cafile=ca)
    certified = ssl.create_default_context(cafile=ca)
    if certificate is not None:
        certified.load_cert_chain(certificate, key)
    return {"module_ssl": certified, "module_ssl_anonymous": anonymous}
