"""Which node a session gets: fair, the same everywhere, and undisturbed by what happens to other nodes."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from qproxy.forwarding.choice import ranking, turn

SESSIONS = [f"session-{number}" for number in range(3000)]
NODES = ["qlik1.internal:443", "qlik2.internal:443", "qlik3.internal:443"]
names = st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True)


def home(session: str, nodes: list[str]) -> str:
    return nodes[ranking(session, nodes)[0]]


def test_each_node_gets_its_share_of_the_sessions() -> None:
    counts = Counter(home(session, NODES) for session in SESSIONS)
    assert all(900 < counts[node] < 1100 for node in NODES)


def test_the_sessions_of_a_node_that_is_gone_are_spread_over_the_others() -> None:
    second = Counter(ranking(session, NODES)[1] for session in SESSIONS if ranking(session, NODES)[0] == 0)
    assert all(400 < second[number] < 600 for number in (1, 2))


@given(st.text(), names)
def test_every_node_is_in_the_order_once(session: str, nodes: list[str]) -> None:
    assert sorted(ranking(session, nodes)) == list(range(len(nodes)))


@given(st.text(), names, st.randoms())
def test_how_the_nodes_are_listed_does_not_matter(session: str, nodes: list[str], dice: random.Random) -> None:
    shuffled = list(nodes)
    dice.shuffle(shuffled)
    assert home(session, nodes) == home(session, shuffled)


@given(st.text(), names, st.text(min_size=1))
def test_a_node_that_is_added_takes_sessions_and_moves_none_between_others(
    session: str, nodes: list[str], new: str
) -> None:
    assert home(session, [*nodes, new] if new not in nodes else nodes) in (home(session, nodes), new)


@given(st.text(), names)
def test_without_a_node_the_order_of_the_others_stays(session: str, nodes: list[str]) -> None:
    order = [nodes[number] for number in ranking(session, nodes)]
    rest = nodes[1:]
    assert [rest[number] for number in ranking(session, rest)] == [one for one in order if one != nodes[0]]


def test_sessions_come_back_evenly_while_a_nodes_share_grows() -> None:
    mine = [session for session in SESSIONS if home(session, NODES) == NODES[0]]
    for share in (0.1, 0.5, 0.9):
        assert abs(sum(turn(session, NODES[0]) < share for session in mine) / len(mine) - share) < 0.06
