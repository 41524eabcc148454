"""What the login flow may rely on, whichever way to log in it is given. A new method adds one entry to METHODS."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from login_site import PASSWORD, password_method, user_file
from waiting import eventually

from qproxy.auth import Accept, Answer, Ask, LoginRequest, Method, Reason, Refuse, Send


@dataclass
class Trial:
    """A method and the forms that a right person, a wrong one and nobody would send."""

    method: Method
    right: Mapping[str, str]
    wrong: Mapping[str, str]
    nobody: Mapping[str, str]
    user_id: str
    secrets: list[str] = field(default_factory=list)

    async def step(self, form: Mapping[str, str], address: str = "192.0.2.1") -> Answer:
        return await self.method.step(LoginRequest("sales", address, form))


def password_trial(folder: Path) -> Trial:
    return Trial(
        password_method(user_file(folder, "ann", "bob")),
        right={"name": "ann", "password": PASSWORD},
        wrong={"name": "ann", "password": "wrong-canary"},
        nobody={"name": "eve", "password": "wrong-canary"},
        user_id="ann",
        secrets=[PASSWORD, "wrong-canary"],
    )


METHODS: dict[str, Callable[[Path], Trial]] = {"password_file": password_trial}


@pytest.fixture(params=list(METHODS.values()), ids=list(METHODS))
async def trial(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Trial]:
    made = request.param(tmp_path)
    yield made
    await made.method.close()


async def test_a_login_begins_with_a_form_or_a_journey(trial: Trial) -> None:
    answer = await trial.step({})
    assert isinstance(answer, Ask | Send)
    assert not isinstance(answer, Ask) or answer.fields


async def test_who_is_right_is_accepted(trial: Trial) -> None:
    answer = await trial.step(trial.right)
    assert isinstance(answer, Accept)
    assert answer.user_id == trial.user_id


async def test_who_is_wrong_is_refused_and_may_try_again(trial: Trial) -> None:
    assert await trial.step(trial.wrong) == Refuse(Reason.WRONG)
    assert isinstance(await trial.step(trial.right), Accept)


async def test_a_person_who_does_not_exist_is_refused_in_the_same_words(trial: Trial) -> None:
    assert await trial.step(trial.nobody) == await trial.step(trial.wrong)


async def test_no_answer_carries_a_secret(trial: Trial) -> None:
    answers = [await trial.step(form) for form in ({}, trial.right, trial.wrong, trial.nobody)]
    assert [secret for secret in trial.secrets if secret in repr(answers)] == []


@pytest.mark.parametrize("junk", ["", " ", "\x00", "\ud800", "a\\b", "a" * 100_000, "é" * 300, "ann\n", "%s", "*"])
async def test_whatever_is_typed_gets_an_answer_and_no_way_in(trial: Trial, junk: str) -> None:
    for name in trial.right:
        assert isinstance(await trial.step({**trial.wrong, name: junk}), Refuse)
    assert isinstance(await trial.step({"unknown": junk}), Refuse)


async def test_people_who_log_in_at_once_are_not_mixed_up(trial: Trial) -> None:
    forms = [trial.right, trial.wrong, trial.nobody] * 4
    answers = await asyncio.gather(*(trial.step(form, f"192.0.2.{n}") for n, form in enumerate(forms)))
    assert [isinstance(answer, Accept) for answer in answers] == [True, False, False] * 4


async def test_closing_ends_its_threads_and_may_be_done_twice(trial: Trial) -> None:
    before = set(threading.enumerate())
    await asyncio.gather(*(trial.step(trial.right, f"192.0.2.{n}") for n in range(4)))
    own = [one for one in set(threading.enumerate()) - before if one.name.startswith("qproxy")]
    await trial.method.close()
    await trial.method.close()
    await eventually(lambda: not any(one.is_alive() for one in own))


def test_every_method_has_a_name_of_its_own(tmp_path: Path) -> None:
    async def names() -> list[str]:
        trials = [make(tmp_path) for make in METHODS.values()]
        for one in trials:
            await one.method.close()
        return [one.method.name for one in trials]

    assert asyncio.run(names()) == list(METHODS)
