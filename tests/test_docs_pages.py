"""The pages for people: their links lead somewhere, and what they say of commands, keys, numbers and files is so."""

import re
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from config_site import ConfigSite

from qproxy.cli import main
from qproxy.config.models import ServerConfig, VirtualProxyConfig
from qproxy.config.qmc import qmc_values
from qproxy.config.words import keys_of
from qproxy.errors import Blame, Failure

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "certs", "deploy")
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md"))),
]
SETUP = ROOT / "docs/qlik-setup.md"
ARCHITECTURE = ROOT / "docs/architecture.md"
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def prose(page: Path) -> str:
    return FENCED.sub("", text_of(page))


def everything() -> str:
    return "\n".join(map(text_of, PAGES))


# --- links ---


def slug(heading: str) -> str:
    """The anchor that a heading gets: lower case, no punctuation, blanks become hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    return frozenset(slug(heading) for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE))


def is_dead(page: Path, link: str) -> bool:
    target, _, anchor = link.partition("#")
    file = (page.parent / target).resolve() if target else page
    return not file.exists() or (anchor != "" and anchor not in anchors(file))


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    local = [link for link in LINK.findall(prose(page)) if "://" not in link]
    assert [link for link in local if is_dead(page, link)] == []


def test_a_dead_link_would_be_found() -> None:
    assert [is_dead(SETUP, link) for link in ("nowhere.md", "#nowhere", "errors.md#nowhere")] == [True] * 3


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, coming = {ROOT / "README.md"}, [ROOT / "README.md"]
    while coming:
        page = coming.pop()
        linked = {(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(page))}
        coming += [one for one in linked - seen if one in PAGES]
        seen |= linked
    # The list of decisions is the folder, as its first page says.
    assert [page for page in PAGES if page not in seen and page.parent.name != "decisions"] == []


# --- commands ---


def verbs(group: click.Group = main, before: str = "qproxy") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += verbs(command, f"{before} {name}") if isinstance(command, click.Group) else [f"{before} {name}"]
    return found


@pytest.mark.parametrize("verb", verbs())
def test_every_command_is_documented(verb: str) -> None:
    assert re.search(rf"\b{verb}\b", everything())


@pages
def test_the_commands_in_shell_blocks_exist(page: Path) -> None:
    blocks = [block for _, language, block in FENCED.findall(text_of(page)) if language in ("sh", "powershell")]
    used = re.findall(r"^(?:[A-Z_]+=\S+ )?(?:\S*/)?qproxy (\w+)", "\n".join(blocks), re.MULTILINE)
    assert [word for word in used if word not in main.commands] == []


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= 150


# --- keys, numbers, failures, files ---

KEYS = {key.replace("[]", "") for key in (*keys_of(ServerConfig), *keys_of(VirtualProxyConfig))}
SECTIONS = sorted({key.partition(".")[0] for key in KEYS if "." in key} - {"login"})


@pages
def test_every_key_that_is_mentioned_exists(page: Path) -> None:
    mentioned = re.findall(rf"`((?:{'|'.join(SECTIONS)})\.[a-z_.]*[a-z_])", prose(page))
    keys = [word for word in mentioned if not word.endswith((".py", ".db", ".yaml", ".pem", ".log"))]
    assert [word for word in keys if not any(key == word or key.startswith(f"{word}.") for key in KEYS)] == []


@pages
def test_every_number_that_is_mentioned_exists(page: Path) -> None:
    known = set(re.findall(r"^\| `(\w+)` \|", text_of(ROOT / "docs/metrics.md"), re.MULTILINE))
    assert set(re.findall(r"\bqproxy_[a-z_]+", text_of(page))) - known == set()


@pytest.mark.parametrize("failure", [one for one in Failure if one.blame is Blame.UPSTREAM], ids=lambda one: one.word)
def test_the_setup_page_links_each_failure_on_qliks_side(failure: Failure) -> None:
    assert f"(errors.md#{failure.word}) {failure.status}" in text_of(SETUP)


def test_every_file_that_the_architecture_names_exists() -> None:
    files = [str(file.relative_to(ROOT)) for top in ("qproxy", "tests", "tools") for file in (ROOT / top).rglob("*.py")]
    named = set(re.findall(r"`([\w/]+\.py)`", text_of(ARCHITECTURE)))
    assert [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)] == []


def test_the_architecture_gives_every_module_its_layer() -> None:
    rows = text_of(ARCHITECTURE).partition("\n## Layers\n")[2].partition("\n## ")[0]
    modules = {
        path.stem for path in (ROOT / "qproxy").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    listed = {name.strip("/") for name in re.findall(r"`([\w/]+)`", rows)}
    assert modules - listed - {"__init__"} == set()


# --- what the setup page prints ---


def setup_site(tmp_path: Path) -> ConfigSite:
    """The two files of "Write the two files"."""
    blocks = re.findall(r"```yaml\n# (\w+)\.yaml\n(.*?)```", text_of(SETUP), re.DOTALL)
    texts: dict[str, str] = {}
    for name, block in blocks:
        texts.setdefault(name, block)
    return ConfigSite(tmp_path).with_files().write(texts.pop("server"), **texts)


def test_the_setup_page_shows_what_check_prints(tmp_path: Path) -> None:
    site = setup_site(tmp_path)
    printed = CliRunner().invoke(main, ["check", str(site.directory)]).stdout
    shown = next(block for _, language, block in FENCED.findall(text_of(SETUP)) if language == "text")
    assert printed.partition(f"{site.directory}:")[0].strip() == shown.strip()


def test_the_setup_page_explains_every_field_of_the_qmc(tmp_path: Path) -> None:
    config = setup_site(tmp_path).load()
    table = text_of(SETUP).partition("\n## Make the virtual proxy in the QMC\n")[2].partition("\n## ")[0]
    fields = [row.field for row in qmc_values(config, config.virtual_proxies[0]) if row.group != "License management"]
    assert [field for field in fields if not re.search(rf"^\| [^|]*{re.escape(field)}", table, re.MULTILINE)] == []
