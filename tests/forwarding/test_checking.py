"""What a check of a node asks, which answers pass, and that it believes no other certificates than requests do."""

import ssl

import pytest
from forwarding.plane import Script, ScriptedNode, both_loops
from forwarding.test_pool import busy_line, contexts, unused_port
from forwarding.test_several_nodes import RULES, answering, hang_up, status, stuck
from forwarding.wire import Wire, ok

from qproxy.forwarding.checking import Unwell, check
from qproxy.forwarding.node import Node

pytestmark = pytest.mark.asyncio(**both_loops)


async def outcome(script: Script, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None) -> str:
    """Why the node did not pass; "" if it did."""
    node = ScriptedNode(script)
    await node.start(tls[0] if tls else None)
    address = Node("127.0.0.1", node.port, tls[1] if tls else None, "node.example")
    try:
        await check(address, RULES)
    except Unwell as unwell:
        return unwell.reason
    finally:
        await node.stop()
    return ""


@pytest.mark.parametrize("code", [200, 204, 301, 302, 401, 403])
async def test_a_node_passes_with_any_answer_of_a_qps_that_works(code: int) -> None:
    assert await outcome(answering(status(code))) == ""


@pytest.mark.parametrize("code", [400, 404, 500, 503])
async def test_a_node_does_not_pass_with_an_answer_that_serves_nobody(code: int) -> None:
    assert await outcome(answering(status(code))) == f"answered {code} to /qps/user"


@pytest.mark.parametrize("head", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 9000])
async def test_a_node_does_not_pass_with_what_is_no_http(head: bytes) -> None:
    assert (await outcome(answering(head))).startswith("no answer: ")


async def test_a_node_does_not_pass_in_silence() -> None:
    assert await outcome(stuck) == "no answer in 0.2 s"


async def test_a_node_does_not_pass_by_closing() -> None:
    assert await outcome(hang_up) == "no answer: IncompleteReadError"


async def test_a_node_does_not_pass_when_it_does_not_take_the_call() -> None:
    with busy_line() as port, pytest.raises(Unwell) as unwell:
        await check(Node("127.0.0.1", port), RULES)
    assert (unwell.value.reason, unwell.value.unreachable) == ("not connected in 0.2 s", True)


async def test_a_node_where_nobody_listens_is_unreachable() -> None:
    with pytest.raises(Unwell) as unwell:
        await check(Node("127.0.0.1", unused_port()), RULES)
    assert unwell.value.unreachable


async def test_a_check_asks_for_what_is_configured_and_is_known_by_its_name() -> None:
    heads: list[bytes] = []

    async def script(wire: Wire) -> None:
        message = await wire.request()
        heads.append(b"\r\n".join([message.start, *message.lines]))
        wire.send(ok())

    assert await outcome(script) == ""
    assert heads[0].startswith(b"GET /qps/user HTTP/1.1\r\nHost: localhost\r\nUser-Agent: qproxy-health\r\n")


@pytest.mark.parametrize(("name", "passes"), [("node.example", True), ("other.example", False)])
async def test_a_check_believes_no_certificate_that_people_would_not_be_led_to(name: str, passes: bool) -> None:
    reason = await outcome(answering(status(200)), contexts(name))
    assert (reason == "", reason.startswith("TLS: ")) == (passes, not passes)
