"""The stand-in alone, as the command line runs it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
import trustme

from qproxy.qliksim import QlikNode
from qproxy.qliksim.serve import SimOptions, config_of, run, serve


def test_options_name_prefixes_modules_and_hosts() -> None:
    options = SimOptions(prefixes=("sso", "b"), session_modules=("sso=https://m/x?a=b",), hosts=("bi.test",))
    first, second = config_of(options).virtual_proxies
    assert (first.session_module, second.session_module) == ("https://m/x?a=b", "")
    assert (first.cookie_name, first.host_allow) == ("X-Qlik-Session-sso", ("bi.test",))


def test_the_default_virtual_proxy_has_the_plain_cookie_name() -> None:
    assert config_of(SimOptions(prefixes=("",))).virtual_proxies[0].cookie_name == "X-Qlik-Session"


def test_a_module_for_an_unknown_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown prefixes: other"):
        config_of(SimOptions(session_modules=("other=http://x",)))


def test_a_file_says_it_all(tmp_path: Path) -> None:
    (tmp_path / "sim.yaml").write_text('release: "2018"')
    assert config_of(SimOptions(config=tmp_path / "sim.yaml")).release == "2018"


def test_certificates_open_the_secure_listeners(tmp_path: Path) -> None:
    node, ca = tmp_path / "node.pem", tmp_path / "ca.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(node))
    trustme.CA().cert_pem.write_to_path(str(ca))
    config = config_of(SimOptions(https_port=0, certificate=node, client_ca=ca, module_ca=ca, module_certificate=node))
    assert None not in (config.tls, config.rest_tls, config.module_ssl, config.module_ssl_anonymous)


async def test_it_serves_until_it_is_told_to_stop() -> None:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(SimOptions(), ready.set_result, stop))
    node: QlikNode = await ready
    async with aiohttp.ClientSession() as client, client.get(f"{node.http_url}/sso/qps/user") as reply:
        assert await reply.json() == {"session": "inactive"}
    stop.set()
    await serving


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_signal_ends_it_well() -> None:
    assert run(SimOptions(), lambda _: os.kill(os.getpid(), signal.SIGTERM)) == 0
