"""What a socket can ask before an app is open."""

import pytest
from qliksim.engine_client import GLOBAL, SALES, STOCK, Client, client, engine


async def test_the_engine_says_who_it_is_talking_to(sales: Client) -> None:
    assert await sales.call(GLOBAL, "GetAuthenticatedUser") == {"qReturn": "UserDirectory=SSO; UserId=john"}


async def test_the_list_of_apps_has_their_ids_and_titles(sales: Client) -> None:
    listed = (await sales.call(GLOBAL, "GetDocList"))["qDocList"]
    assert [(app["qDocId"], app["qTitle"]) for app in listed] == [
        (SALES.id, "Sales"),
        (STOCK.id, "Stock"),
    ]


async def test_no_app_is_active_before_one_is_opened(sales: Client) -> None:
    assert (await sales.error(GLOBAL, "GetActiveDoc"))["message"] == "No app is open"


async def test_an_unknown_app_cannot_be_opened(sales: Client) -> None:
    error = await sales.error(GLOBAL, "OpenDoc", "no-such-app")
    assert (error["code"], error["parameter"]) == (1003, "no-such-app")


async def test_a_socket_opens_only_one_app(sales: Client) -> None:
    await sales.open()
    assert (await sales.error(GLOBAL, "OpenDoc", STOCK.id))["code"] == 1002


async def test_two_sockets_of_a_session_open_the_same_document() -> None:
    shared = engine()
    assert await client(shared).open() == await client(shared).open()


async def test_a_session_app_is_empty_and_has_its_own_id() -> None:
    sales = client(app="?transient=", identity="1764000000000")
    made = await sales.call(GLOBAL, "CreateSessionApp")
    assert made["qSessionAppId"] == made["qReturn"]["qGenericId"]
    doc = made["qReturn"]["qHandle"]
    assert await sales.call(doc, "GetAllInfos") == {"qInfos": []}
    assert not (await sales.call(doc, "GetAppLayout"))["qLayout"]["qHasData"]


async def test_a_session_app_cannot_be_made_while_an_app_is_open(sales: Client) -> None:
    await sales.open()
    assert (await sales.error(GLOBAL, "CreateSessionApp"))["code"] == 1002


async def test_unique_ids_differ(sales: Client) -> None:
    assert await sales.call(GLOBAL, "GetUniqueID") != await sales.call(GLOBAL, "GetUniqueID")


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("ProductVersion", {"qReturn": "14.212.7"}),
        ("QTProduct", {"qReturn": "Qlik Sense"}),
        ("OSName", {"qReturn": "Windows Server 2022"}),
        ("IsPersonalMode", {"qReturn": False}),
        ("AllowCreateApp", {"qReturn": True}),
        ("AbortAll", {}),
    ],
)
async def test_the_engine_describes_itself(sales: Client, method: str, result: object) -> None:
    assert await sales.call(GLOBAL, method) == result


@pytest.mark.parametrize(
    ("method", "param", "key"),
    [
        ("GetBaseBNFHash", "S", "qBnfHash"),
        ("GetProgress", 1, "qProgressData"),
    ],
)
async def test_further_questions_are_answered(sales: Client, method: str, param: object, key: str) -> None:
    assert key in await sales.call(GLOBAL, method, param)


async def test_cancelling_a_request_is_accepted(sales: Client) -> None:
    assert await sales.call(GLOBAL, "CancelRequest", 4) == {}


async def test_the_configuration_says_this_is_no_desktop(sales: Client) -> None:
    config = (await sales.call(GLOBAL, "GetConfiguration"))["qConfig"]
    assert config["qFeatures"]["qIsDesktop"] is False
