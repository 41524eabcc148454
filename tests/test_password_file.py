"""Logging in with a password: who is accepted, at what cost, and what happens when the file changes or is broken."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from login_site import PASSWORD, password_method, quick_hasher, user_file
from waiting import eventually

from qproxy.auth import Accept, Answer, LoginRequest, Reason, Refuse, users
from qproxy.auth.password_file import PasswordFile
from qproxy.auth.passwords import LONGEST_PASSWORD, Passwords, TooBusy, hash_password
from qproxy.auth.totp import new_key
from qproxy.model import Attributes

LONG = "seven blue otters ".ljust(LONGEST_PASSWORD, "x")


class CountingHasher(PasswordHasher):
    """Counts what is checked, and what that costs: the parameters and whether the password was hashed at all."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        self.verified.append(str(hash).rpartition("$")[0].rpartition("$")[0])
        return super().verify(hash, password)


class GatedHasher(PasswordHasher):
    """Checks nothing before its gate is open."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.gate = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        assert self.gate.wait(10)
        return super().verify(hash, password)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
async def method(tmp_path: Path, hasher: CountingHasher) -> AsyncIterator[PasswordFile]:
    made = password_method(user_file(tmp_path, "ann"), Passwords(hasher))
    yield made
    await made.close()


async def log_in(method: PasswordFile, name: str = "ann", password: str = PASSWORD, address: str = "::1") -> Answer:
    return await method.step(LoginRequest("sales", address, {"name": name, "password": password}))


@pytest.mark.parametrize("name", ["ann", "eve", "", "x" * 10_000, "\x00"])
@pytest.mark.parametrize("password", ["wrong", "", "x" * 10_000])
async def test_every_wrong_try_costs_one_hash_of_the_same_size(
    method: PasswordFile, hasher: CountingHasher, name: str, password: str
) -> None:
    assert await log_in(method, name, password) == Refuse(Reason.WRONG)
    assert hasher.verified == ["$argon2id$v=19$m=8,t=1,p=1"]


@pytest.mark.parametrize(
    "marks",
    ["locked", "expires=2020-01-01", "must-change", f"totp={new_key()}"],
    ids=["locked", "expired", "must change", "code"],
)
async def test_a_wrong_try_costs_and_tells_the_same_whatever_is_noted_of_the_person(
    method: PasswordFile, hasher: CountingHasher, tmp_path: Path, marks: str
) -> None:
    path = tmp_path / "users"
    path.write_text(path.read_text().replace("\n", f" {marks}\n"))
    answers = [await log_in(method, name, "wrong") for name in ("ann", "eve")]
    assert answers == [Refuse(Reason.WRONG)] * 2
    assert hasher.verified == ["$argon2id$v=19$m=8,t=1,p=1"] * 2


@pytest.mark.parametrize("name", ["Ann", "ANN", " ann ", "\uff41\uff4e\uff4e"])
async def test_a_name_is_known_in_every_spelling_and_is_one_person_for_qlik(method: PasswordFile, name: str) -> None:
    assert await log_in(method, name) == Accept("ann")


async def test_a_password_is_the_same_from_every_keyboard(tmp_path: Path) -> None:
    path = tmp_path / "users"
    users.add(path, "ann", "gr\u00fc\u00dfe-an-alle")
    method = password_method(path, Passwords())
    assert await log_in(method, password="gru\u0308\u00dfe-an-alle") == Accept("ann")
    await method.close()


async def test_a_password_longer_than_the_cap_is_wrong_even_if_its_beginning_is_right(tmp_path: Path) -> None:
    path = tmp_path / "users"
    users.add(path, "ann", LONG)
    method = password_method(path, Passwords())
    assert await log_in(method, password=LONG) == Accept("ann")
    assert await log_in(method, password=LONG + "x") == Refuse(Reason.WRONG)
    await method.close()


async def test_attributes_of_the_file_reach_the_session(tmp_path: Path) -> None:
    path = tmp_path / "users"
    users.add(path, "ann", PASSWORD, Attributes((("Group", "Sales"), ("Group", "Finance"))))
    method = password_method(path, Passwords())
    answer = await log_in(method)
    await method.close()
    assert answer == Accept("ann", attributes=Attributes((("Group", "Sales"), ("Group", "Finance"))))


async def test_who_is_added_or_removed_counts_at_once(method: PasswordFile, tmp_path: Path) -> None:
    users.add(tmp_path / "users", "bob", "seven blue otters")
    assert await log_in(method, "bob", "seven blue otters") == Accept("bob")
    users.remove(tmp_path / "users", "ann")
    assert await log_in(method) == Refuse(Reason.WRONG)


async def test_a_hash_of_older_parameters_is_made_anew_at_the_next_login(tmp_path: Path) -> None:
    path = user_file(tmp_path, "ann")
    before = path.read_text()
    method = password_method(path, Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)))
    assert await log_in(method) == Accept("ann")
    assert "$m=16,t=2,p=1$" in path.read_text() != before
    assert await log_in(method) == Accept("ann")
    await method.close()


async def test_a_hash_that_cannot_be_kept_hinders_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = user_file(tmp_path, "ann")
    method = password_method(path, Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)))
    monkeypatch.setattr(users, "put_in_place", refuse_writing)
    with caplog.at_level(logging.INFO):
        assert await log_in(method) == Accept("ann")
    await method.close()
    assert "the password of 'ann' keeps its older hash" in caplog.text


def refuse_writing(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def delete(path: Path) -> None:
    path.unlink()


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def garble(path: Path) -> None:
    path.write_bytes(b"ann:\xff\xfe")


@pytest.mark.parametrize("spoil", [delete, open_to_all, garble])
async def test_a_file_that_cannot_be_trusted_lets_nobody_in_and_is_named_once_in_the_log(
    method: PasswordFile, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    spoil(tmp_path / "users")
    assert [await log_in(method) for _ in range(9)] == [Refuse(Reason.UNAVAILABLE)] * 9
    assert len(caplog.records) == 1
    assert str(tmp_path / "users") in caplog.text


async def test_a_file_that_was_mended_works_without_a_restart(method: PasswordFile, tmp_path: Path) -> None:
    (tmp_path / "users").chmod(0o666)
    assert await log_in(method) == Refuse(Reason.UNAVAILABLE)
    (tmp_path / "users").chmod(0o600)
    assert await log_in(method) == Accept("ann")


async def test_when_too_many_wait_the_next_ones_are_told_to_come_back(tmp_path: Path) -> None:
    hasher = GatedHasher()
    passwords = Passwords(hasher, at_once=1, waiting=3)
    method = password_method(user_file(tmp_path, "ann"), passwords)
    tries = [asyncio.create_task(log_in(method, address=f"192.0.2.{n}")) for n in range(20)]
    await eventually(lambda: sum(one.done() for one in tries) == 16)
    hasher.gate.set()
    answers = await asyncio.gather(*tries)
    assert answers == [Accept("ann")] * 4 + [Refuse(Reason.BUSY, retry_after=5)] * 16
    assert await log_in(method) == Accept("ann")
    await method.close()


async def test_a_person_who_goes_away_gives_the_place_in_the_queue_back() -> None:
    passwords = Passwords(quick_hasher(), at_once=1, waiting=0)
    gone = asyncio.ensure_future(passwords.matches(PASSWORD, None))
    await asyncio.sleep(0)  # so that it begins
    with pytest.raises(TooBusy):
        await passwords.matches(PASSWORD, None)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert await passwords.matches(PASSWORD, hash_password(PASSWORD, quick_hasher())) is not None
    passwords.close()


def test_a_password_is_hashed_after_rfc_9106_for_machines_with_little_memory() -> None:
    assert hash_password(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_a_hash_that_is_damaged_lets_nobody_in() -> None:
    passwords = Passwords(quick_hasher())
    assert await passwords.matches(PASSWORD, "$argon2id$v=19$m=8,t=1,p=1$damaged") is None
    passwords.close()
