"""The levers as JSON over HTTP."""

from typing import Any

from qliksim.node_site import Site, site
from waiting import eventually


async def pull(it: Site, lever: str, **arguments: Any) -> tuple[int, Any]:
    async with it.client.post(f"{it.node.control_url}/{lever}", json=arguments) as reply:
        return reply.status, await reply.json()


async def test_sessions_are_shown_with_their_source() -> None:
    async with site(control_port=0) as it:
        await it.log_in()
        status, [session] = await pull(it, "sessions", vp="sso")
    assert (status, session["UserId"], session["Source"]) == (200, "john", "module")


async def test_the_journal_comes_as_objects() -> None:
    async with site(control_port=0) as it:
        await it.log_in()
        _, [entry] = await pull(it, "journal", kind="module")
    assert (entry["status"], entry["kind"]) == (200, "module")


async def test_a_lever_with_a_task_is_waited_for() -> None:
    async with site(control_port=0) as it:
        session = await it.log_in()
        assert await pull(it, "expire", vp="sso", session_id=session) == (200, None)
        assert it.node.sessions("sso") == []


async def test_time_toggles_and_faults_can_be_moved() -> None:
    async with site(control_port=0) as it:
        await it.log_in()
        await pull(it, "set_toggle", name="post_unauth", value=401)
        await pull(it, "fail_module", mode="500")
        await pull(it, "advance", seconds=1800)
        await eventually(lambda: not it.node.sessions("sso"))
        assert it.node.core.toggles.post_unauth == 401
        assert it.node.journal("module")[-1].note == "module_error 500"


async def test_a_script_can_be_played() -> None:
    async with site(control_port=0) as it:
        status, entries = await pull(it, "run_script", name="S6")
    assert (status, len(entries)) == (200, 2)


async def test_a_restart_leaves_the_control_port_alone() -> None:
    async with site(control_port=0) as it:
        assert await pull(it, "restart") == (200, None)
        assert (await it.ask("/sso/hub/")).status == 302


async def test_an_unknown_lever_gets_the_list() -> None:
    async with site(control_port=0) as it:
        status, answer = await pull(it, "explode")
    assert status == 404
    assert "kill_sockets" in answer["levers"]


async def test_wrong_arguments_are_told() -> None:
    async with site(control_port=0) as it:
        assert (await pull(it, "sessions", vp="none"))[0] == 400
        assert (await pull(it, "sessions", wrong="none"))[0] == 400
        json_type = {"Content-Type": "application/json"}
        async with it.client.post(f"{it.node.control_url}/sweep", data=b"{", headers=json_type) as reply:
            assert reply.status == 400


async def test_a_form_of_another_site_moves_nothing() -> None:
    async with site(control_port=0) as it, it.client.post(f"{it.node.control_url}/sweep", data=b"{}") as reply:
        assert reply.status == 415


async def test_the_control_port_is_on_the_loopback_address_whatever_the_others_are() -> None:
    async with site(control_port=0, bind="0.0.0.0") as it:
        assert str(it.node.control_url).startswith("http://127.0.0.1:")
