"""The documentation says everything, and what it says is so."""

import re
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import yaml
from a_realm import use_gssapi
from config_site import ENVIRON, SALES, SERVER, ConfigSite
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from qproxy.config.login_models import LOGINS
from qproxy.config.login_parts import LoginPart
from qproxy.config.models import ServerConfig, VirtualProxyConfig
from qproxy.config.words import keys_of

ROOT = Path(__file__).resolve().parent.parent


def word_of(login: type[LoginPart]) -> str:
    return str(get_args(login.model_fields["method"].annotation)[0])


def page_of(login: type[LoginPart]) -> str:
    return f"docs/logins/{word_of(login).replace('_', '-')}.md"


LOGIN = "login[]."
SHARED = keys_of(LoginPart, LOGIN)
"""What every way to log in may say; the keys of its own stand on its page in docs/logins."""
MODELS: dict[str, tuple[str, type[BaseModel]]] = {
    "server.yaml": ("docs/config.md", ServerConfig),
    "A virtual proxy's file": ("docs/config.md", VirtualProxyConfig),
    **{f"Keys of {login.__name__}": (page_of(login), login) for login in LOGINS},
}


# --- every configuration key: in a table, with its true default and an example that is taken ---


def keys(heading: str) -> dict[str, FieldInfo]:
    model = MODELS[heading][1]
    if issubclass(model, LoginPart):
        return {key.removeprefix(LOGIN): found for key, found in keys_of(model, LOGIN).items() if key not in SHARED}
    own = {key: found for key, found in keys_of(model).items() if not key.startswith(LOGIN)}
    return own | (SHARED if "login" in model.model_fields else {})


def rows(heading: str) -> dict[str, list[str]]:
    """Key to [meaning, default, example] of the tables under a heading of its page."""
    title = "Keys" if issubclass(MODELS[heading][1], LoginPart) else heading
    text = (ROOT / MODELS[heading][0]).read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    cells = [re.split(r" \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    return {first.strip("`"): rest for first, *rest in cells}


KEYS = [(heading, key, found) for heading in MODELS for key, found in keys(heading).items()]
IDS = [f"{heading}: {key}" for heading, key, _ in KEYS]


@pytest.mark.parametrize("heading", MODELS)
def test_every_configuration_key_is_documented_and_no_other(heading: str) -> None:
    assert sorted(rows(heading)) == sorted(keys(heading))


@pytest.mark.parametrize("login", LOGINS)
def test_every_way_to_log_in_has_a_page_with_a_configuration(login: type[LoginPart]) -> None:
    text = (ROOT / page_of(login)).read_text(encoding="utf-8")
    assert [block for _, block in BLOCK.findall(text) if f"method: {word_of(login)}" in block]


def taken(found: FieldInfo, written: str) -> Any:
    """What the key makes of this text, which stands in backticks."""
    kind: Any = Annotated[found.annotation, "as the key has it", *found.metadata]
    text = yaml.load(written.strip("`"), yaml.BaseLoader)
    return TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(("heading", "key", "found"), KEYS, ids=IDS)
def test_the_documented_default_is_the_one_that_holds(heading: str, key: str, found: FieldInfo) -> None:
    default = rows(heading)[key][1]
    if found.is_required() or (found.default is None and not default.startswith("`")):
        assert (default == "required") is found.is_required()
    else:
        assert taken(found, default) == found.default


@pytest.mark.parametrize(("heading", "key", "found"), KEYS, ids=IDS)
def test_the_documented_example_is_taken(heading: str, key: str, found: FieldInfo) -> None:
    assert taken(found, rows(heading)[key][2]) is not None


# --- every YAML block of the documentation, and every example file, loads ---

BLOCK = re.compile(r"```yaml\n# (\w+)\.yaml\n(.*?)```", re.DOTALL)
PAGES = [
    ROOT / "README.md",
    *(page for name in ("docs", "certs", "deploy") for page in sorted((ROOT / name).rglob("*.md"))),
]
BLOCKS = [
    pytest.param(name, text, id=f"{page.name}-{number}")
    for page in PAGES
    for number, (name, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]


def completed(text: str, rest: str) -> str:
    """The block, and what it does not say of the smallest file that loads."""
    block = yaml.safe_load(text)
    missing = {key: value for key, value in yaml.safe_load(rest).items() if key not in block}
    return text + (yaml.safe_dump(missing) if missing else "")


def as_deployed(site: ConfigSite) -> dict[str, str]:
    """The folders of docs/deployment.md: certificates beside the YAML files, keys lent by systemd. The environment."""
    for file in (site.root / "certs").iterdir():
        (site.directory / file.name).symlink_to(file)
    return ENVIRON | {"CREDENTIALS_DIRECTORY": str(site.root / "certs")}


@pytest.mark.parametrize(("name", "text"), BLOCKS)
def test_every_yaml_block_loads(tmp_path: Path, name: str, text: str) -> None:
    site = ConfigSite(tmp_path).with_files()
    text = re.sub(r"/var/(lib|log)/qproxy", str(site.root / "state"), text)
    if "method: kerberos" in text:
        use_gssapi()
    site.write(completed(text, SERVER)) if name == "server" else site.write(SERVER, **{name: completed(text, SALES)})
    assert site.problems(as_deployed(site)) == []


def test_every_yaml_block_says_which_file_it_is() -> None:
    unnamed = {page.name: page.read_text().count("```yaml") - len(BLOCK.findall(page.read_text())) for page in PAGES}
    assert {page: count for page, count in unnamed.items() if count} == {}


def test_the_example_files_load(tmp_path: Path) -> None:
    site = ConfigSite(tmp_path).with_files()
    for example in (ROOT / "config").glob("*.example.yaml"):
        name = example.name.replace(".example", "")
        (site.directory / name).write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    assert [vp.name for vp in site.load(ENVIRON).virtual_proxies] == ["finance", "sales"]
