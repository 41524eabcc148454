"""Every failure word and every metric is documented, and nothing is documented that does not exist."""

import re
import sys
from pathlib import Path

import pytest

from qproxy.errors import Failure
from qproxy.observe import Metrics

DOCS = Path(__file__).resolve().parent.parent / "docs"
ERRORS = (DOCS / "errors.md").read_text(encoding="utf-8").partition("\n## Logins\n")[0]
METRICS = (DOCS / "metrics.md").read_text(encoding="utf-8")


def entries() -> dict[str, str]:
    """Failure word -> text below its heading."""
    return dict(re.findall(r"^### `(\w+)`\n(.+?)(?=\n#|\Z)", ERRORS, re.MULTILINE | re.DOTALL))


def rows() -> dict[str, tuple[str, set[str]]]:
    """Metric -> type and labels, as the table says."""
    found = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", METRICS, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in found}


def real() -> dict[str, str]:
    families = Metrics(("sales",)).registry.collect()
    return {one.name + ("_total" if one.type == "counter" else ""): one.type for one in families}


def test_every_failure_is_documented_and_no_other() -> None:
    assert set(entries()) == {failure.word for failure in Failure}


@pytest.mark.parametrize("failure", Failure, ids=lambda failure: failure.word)
def test_an_entry_tells_status_and_blame_and_what_to_do(failure: Failure) -> None:
    text = entries()[failure.word]
    assert text.startswith(f"{failure.status}, {failure.blame.value}. ")
    assert len(text.split()) > 10


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the numbers of the process need /proc")
def test_every_metric_is_documented_and_no_other() -> None:
    assert {name: kind for name, (kind, _) in rows().items()} == real()


def test_the_labels_in_the_documentation_are_the_real_ones() -> None:
    metrics = Metrics(("sales",))
    metrics.login("sales", "password_file", "accepted")
    metrics.module_call("sales", "get_session", 200, 0.001)
    metrics.internal_refused("address")
    metrics.store_error("sales")
    metrics.sessions("sales", "qproxy", 1)
    metrics.certificate("public", 1.0)
    metrics.pool("sales", "node").open = 1
    metrics.waiting_for_qlik("sales", 1)
    metrics.worker_started(1)
    metrics.audit_sequence("0a1b2c3d", 1)
    for family in metrics.registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == rows()[name][1], name


@pytest.mark.parametrize("text", [ERRORS, METRICS], ids=["errors", "metrics"])
def test_links_between_the_pages_lead_somewhere(text: str) -> None:
    assert [link for link in re.findall(r"\]\(([\w.]+)\)", text) if not (DOCS / link).exists()] == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bqproxy_\w+", ERRORS + METRICS))))
def test_every_metric_that_the_pages_mention_exists(name: str) -> None:
    assert name in rows()
