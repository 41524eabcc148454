"""What npm will install for the clients: exact versions, and no registry written down."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))


def test_the_lock_names_no_registry() -> None:
    assert len(LOCK["packages"]) > 3
    assert [path for path, package in LOCK["packages"].items() if "resolved" in package] == []
    assert "://" not in json.dumps(LOCK)


def test_each_package_is_pinned_by_its_hash() -> None:
    unpinned = [path for path, package in LOCK["packages"].items() if path and not package.get("integrity")]
    assert unpinned == []


def test_the_clients_have_exact_versions() -> None:
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    locked = {path.removeprefix("node_modules/"): each.get("version") for path, each in LOCK["packages"].items()}
    assert wanted == {name: locked[name] for name in wanted}
