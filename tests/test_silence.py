"""The silence rules of conftest.py, tried on tests that break them. They run once, in a pytest of their own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NOISY = """
import asyncio, logging, socket, sys, warnings
import pytest

log = logging.getLogger("qproxy.somewhere")
log.propagate = False
kept = []

async def listener():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    return server

def log_traceback():
    try:
        raise OSError("the disk is full")
    except OSError:
        log.exception("could not write")

async def test_quiet():
    async with await listener() as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()

async def test_a_task_that_is_ending_is_no_leak():
    asyncio.create_task(asyncio.sleep(60)).cancel()

def test_an_error_without_traceback_is_allowed():
    log.error("Qlik refused")

@pytest.mark.error_log("disk is full")
def test_expected_traceback():
    log_traceback()

async def test_leaks_a_task():
    kept.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))

async def test_leaks_a_listener():
    kept.append(await listener())

async def test_leaks_a_connection():
    async with await listener() as server:
        kept.append(await asyncio.open_connection(*server.sockets[0].getsockname()))

def test_leaks_a_socket():
    socket.socket()

def test_leaks_a_socket_in_a_cycle():
    ring = [socket.socket()]
    ring.append(ring)

def test_warns():
    warnings.warn("old")

async def test_forgets_to_await():
    asyncio.sleep(0)

async def test_task_exception_never_fetched():
    async def fail():
        raise ValueError("nobody looks")
    asyncio.create_task(fail())
    await asyncio.sleep(0)

def test_logs_a_traceback():
    log_traceback()

@pytest.mark.error_log("never said")
def test_expects_what_never_comes():
    pass

@pytest.fixture
async def late():
    yield
    log_traceback()

async def test_logs_a_traceback_in_teardown(late):
    pass

class Odd:
    def __del__(self):
        raise RuntimeError("in del")

def test_raises_in_a_finalizer():
    Odd()

async def test_default_loop():
    assert type(asyncio.get_running_loop()).__module__.split(".")[0] == "LOOP"

@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_standard_loop_by_mark():
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio.")
"""
INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings =
    error
    ignore:unclosed resource <:ResourceWarning
addopts = --strict-markers --import-mode=importlib -p no:cacheprovider -rA
markers = error_log(pattern): ...
pythonpath = {paths}
"""


def run_noisy_tests(folder: Path, loop: str, choice: str = "") -> str:
    """The end of pytest's output: one line for each outcome."""
    shutil.copy(HERE / "conftest.py", folder)
    (folder / "test_noisy.py").write_text(NOISY.replace("LOOP", loop))
    (folder / "pytest.ini").write_text(INI.format(paths=f"{HERE} {HERE.parent / 'tools'}"))
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-k", choice]
    env = {**os.environ, "QPROXY_TEST_LOOP": loop, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


@cache
def outcomes_on(loop: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return run_noisy_tests(Path(folder), loop)


@pytest.fixture(params=["uvloop", "asyncio"])
def outcomes(request: pytest.FixtureRequest) -> str:
    return outcomes_on(request.param)


QUIET = [
    "quiet",
    "a_task_that_is_ending_is_no_leak",
    "an_error_without_traceback_is_allowed",
    "expected_traceback",
    "default_loop",
    "standard_loop_by_mark",
]
LOUD = {
    "leaks_a_task": "task .*forgotten",
    "leaks_a_listener": "left open",
    "leaks_a_connection": "left open",
    "leaks_a_socket": "unclosed <socket",
    "leaks_a_socket_in_a_cycle": "unclosed <socket",
    "warns": "UserWarning: old",
    "forgets_to_await": "never awaited",
    "task_exception_never_fetched": "never retrieved",
    "logs_a_traceback": "could not write",
    "expects_what_never_comes": "never said",
    "logs_a_traceback_in_teardown": "could not write",
    "raises_in_a_finalizer": "in del",
}


def is_bad(name: str, outcomes: str) -> bool:
    return re.search(rf"^(FAILED|ERROR) test_noisy.py::test_{name}\b", outcomes, re.MULTILINE) is not None


@pytest.mark.parametrize("name", QUIET)
def test_a_quiet_test_passes(outcomes: str, name: str) -> None:
    assert f"PASSED test_noisy.py::test_{name}" in outcomes
    assert not is_bad(name, outcomes)


@pytest.mark.parametrize("name", LOUD)
def test_a_loud_test_does_not_pass(outcomes: str, name: str) -> None:
    assert is_bad(name, outcomes), outcomes


def test_the_same_noise_is_named_in_the_output(outcomes: str) -> None:
    assert [name for name, word in LOUD.items() if not re.search(word, outcomes)] == []


def test_a_loop_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    assert "passed" not in run_noisy_tests(tmp_path, "quickloop", "quiet")
