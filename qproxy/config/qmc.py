"""What must stand in Qlik's management console (QMC) so that it fits to a virtual proxy's file here.

Pure: turns the configuration into names and values in the QMC's own words. `qproxy check` prints them.
"""

from dataclasses import dataclass
from math import ceil

from qproxy.config.fields import split_host_port
from qproxy.config.models import Config, PublicConfig, VirtualProxyConfig

ANONYMOUS = {"none": "No anonymous user", "allow": "Allow anonymous user", "always": "Always anonymous user"}
METHOD = {
    "session_module": "a session module needs no other method",
    "session_api": "told sessions need no other method",
    "ticket": "qproxy asks for the tickets",
}
SAME_SITE = {"lax": "Lax", "none": "None", "strict": "Strict"}


@dataclass(frozen=True, slots=True)
class QmcValue:
    """One field of the QMC; an empty value means that the field stays empty."""

    group: str
    field: str
    value: str
    note: str = ""


def login_url(public: PublicConfig, vp: str) -> str:
    return f"{public.origin}/qproxy/login/{vp}"


def qmc_values(config: Config, vp: VirtualProxyConfig) -> tuple[QmcValue, ...]:
    """The fields in the order in which the QMC shows them."""
    return (*_identification(vp), *_authentication(config, vp), *_advanced(config, vp), *_elsewhere(vp), *_api(vp))


def _identification(vp: VirtualProxyConfig) -> list[QmcValue]:
    minutes = ceil(vp.lifetime.idle / 60)
    cookie_note = "Qlik adds -HTTP by itself, as the upstreams are http" if vp.cookie_name != vp.cookie else ""
    return [
        QmcValue("Identification", "Prefix", vp.prefix, "" if vp.prefix else "empty: the default virtual proxy"),
        QmcValue(
            "Identification", "Session inactivity timeout (minutes)", str(minutes), "not shorter than lifetime.idle"
        ),
        QmcValue("Identification", "Session cookie header name", vp.cookie, cookie_note),
    ]


def _authentication(config: Config, vp: VirtualProxyConfig) -> list[QmcValue]:
    return [
        QmcValue("Authentication", "Anonymous access mode", ANONYMOUS[vp.anonymous]),
        QmcValue("Authentication", "Authentication method", "Ticket", METHOD[vp.mode]),
        QmcValue("Authentication", "Authentication module redirect URI", login_url(config.server.public, vp.name)),
        QmcValue("Load balancing", "Load balancing nodes", "at least one engine node", "empty: no app would open"),
    ]


def _advanced(config: Config, vp: VirtualProxyConfig) -> list[QmcValue]:
    https, same_site = vp.upstream_scheme == "https", SAME_SITE[vp.same_site]
    scheme = "https" if https else "http"
    secure = "on" if config.server.public.url.scheme == "https" else "off"
    return [
        _module(config, vp),
        QmcValue("Advanced", "Session cookie domain", "", "empty: the cookie is for one host only"),
        QmcValue("Advanced", f"Has secure attribute ({scheme})", secure),
        QmcValue("Advanced", f"SameSite attribute ({scheme})", same_site),
        QmcValue("Advanced", "Host allow list", ", ".join(allowed_hosts(config, vp)), "add; no scheme and no port"),
    ]


def _module(config: Config, vp: VirtualProxyConfig) -> QmcValue:
    if vp.mode == "session_module":
        return QmcValue("Advanced", "Session module base URI", config.server.internal.session_module(vp.name))
    return QmcValue("Advanced", "Session module base URI", "", f"empty: in mode {vp.mode} qproxy calls Qlik")


def _api(vp: VirtualProxyConfig) -> list[QmcValue]:
    if vp.qps_api is None:
        return []
    ports = sorted({str(url.port) for url in vp.qps_api.of(node.host for node in vp.upstreams)})
    return [
        QmcValue("Proxies > Ports", "REST API listen port", ", ".join(ports), "open it for qproxy's machine"),
        QmcValue("Certificates", "Export, with secrets key", "client.pem, client_key.pem, root.pem", "for qps_api"),
    ]


def allowed_hosts(config: Config, vp: VirtualProxyConfig) -> tuple[str, ...]:
    """Host names that QPS sees in Host and Origin, without ports."""
    netlocs = [*config.server.public.hosts, *(origin.netloc for origin in vp.allowed_origins)]
    return tuple(dict.fromkeys(split_host_port(netloc)[0] for netloc in netlocs))


def _elsewhere(vp: VirtualProxyConfig) -> list[QmcValue]:
    rule = f'user.userDirectory="{vp.user_directory}"'
    return [
        QmcValue("Associated items", "Proxies", "every node's proxy, and Central", "an unlinked one answers 400"),
        QmcValue("License management", "Professional or analyzer access rule", rule, "or their users get no licence"),
    ]
