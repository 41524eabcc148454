"""Reads a configuration directory: all of it or nothing, and everything that is wrong with it at once.

server.yaml, and each other *.yaml as one virtual proxy; *.example.yaml are left alone. There is no way to get a Config
of which a part was not checked, but `files=False` leaves the files that it names unopened, for commands that make them.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from qproxy.config.files import server_files, utc_now, vp_files
from qproxy.config.login_rules import login_files, login_rules
from qproxy.config.mapping_rules import mapping_rules
from qproxy.config.models import Config, ServerConfig, VirtualProxyConfig
from qproxy.config.parts import Part
from qproxy.config.pictures import picture_files
from qproxy.config.rules import SERVER, Finding, rules_between, server_rules, vp_rules
from qproxy.config.vouched_rules import vouched_with_server
from qproxy.config.words import explain
from qproxy.settings import ConfigError, Document, Problem, read_document

Model = TypeVar("Model", bound=Part)

SECRETS = (("sessions", "key"), ("sessions", "redis", "password"), ("sessions", "redis", "sentinel_password"))
"""Keys of server.yaml whose value must come from the environment."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def load(
    directory: Path, *, environ: Mapping[str, str] = os.environ, now: datetime | None = None, files: bool = True
) -> Config:
    """Raises ConfigError with every problem of every file; nothing else for whatever the files hold."""
    documents, problems = _read(directory, environ)
    server, vps = _models(documents, directory)
    problems += [problem for document in documents.values() for problem in document.problems]
    findings = list(_findings(server, vps, (now or utc_now()) if files else None))
    findings += rules_between(server, [vp for vp in vps if not documents[vp.name].flawed])
    problems += _problems(documents, findings, warnings=False)
    if problems or server is None:
        raise ConfigError(sorted(set(problems), key=lambda problem: (problem.file.name != "server.yaml", problem)))
    return Config(directory, server, tuple(vps), tuple(_problems(documents, findings, warnings=True)))


def _read(directory: Path, environ: Mapping[str, str]) -> tuple[dict[str, Document], list[Problem]]:
    """The documents by name, "server" first, and what is wrong with the directory itself."""
    try:
        names = sorted(path.name for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        return {}, [Problem(directory, 0, 0, "", f"cannot be read: {error.strerror}")]
    stems = [name.removesuffix(".yaml") for name in names if name.endswith(".yaml")]
    stems = [stem for stem in stems if stem != SERVER and not stem.endswith(".example")]
    problems = [*_misnamed(directory, names), *_missing(directory, names, stems)]
    wanted = [SERVER] * ("server.yaml" in names) + [stem for stem in stems if _NAME.fullmatch(stem)]
    return {stem: read_document(directory / f"{stem}.yaml", environ) for stem in wanted}, problems


def _missing(directory: Path, names: list[str], stems: list[str]) -> Iterator[Problem]:
    if "server.yaml" not in names:
        yield Problem(directory, 0, 0, "", "has no server.yaml: begin with a copy of server.example.yaml")
    if not stems:
        text = "has no virtual proxy: begin with a copy of sales.example.yaml, named NAME.yaml"
        yield Problem(directory, 0, 0, "", text)


def _misnamed(directory: Path, names: list[str]) -> Iterator[Problem]:
    for name in names:
        stem, _, suffix = name.partition(".")
        if suffix in {"yml", "yaml.txt", "yml.txt", "YAML", "YML"}:
            yield Problem(directory / name, 0, 0, "", f"would not be read: name it {stem.lower()}.yaml")
        elif name.endswith(".yaml") and not name.endswith(".example.yaml") and not _NAME.fullmatch(name[:-5]):
            text = "names a virtual proxy by its file name: use a-z, 0-9 and - only, at most 63 of them"
            yield Problem(directory / name, 0, 0, "", text)


def _models(documents: Mapping[str, Document], directory: Path) -> tuple[ServerConfig | None, list[VirtualProxyConfig]]:
    server: ServerConfig | None = None
    vps: list[VirtualProxyConfig] = []
    for name, document in documents.items():
        if name == SERVER:
            server = _model(document, ServerConfig, document.content, directory)
        else:
            if "name" in document.content:
                document.reject(("name",), "does not stand in the file: a virtual proxy has the name of its file")
            vp = _model(document, VirtualProxyConfig, document.content | {"name": name}, directory)
            vps += [vp] if vp else []
    return server, vps


def _model(document: Document, model: type[Model], content: Mapping[str, object], directory: Path) -> Model | None:
    """None when it is not valid; the reasons are in the document then."""
    if () in document.flawed:
        return None
    if model is ServerConfig:
        _refuse_literal_secrets(document)
    try:
        return model.model_validate(content, context={"directory": directory})
    except ValidationError as error:
        explained = [explain(one, document, model) for one in error.errors()]
        document.problems += [problem for problem in explained if problem]
        return None


def _refuse_literal_secrets(document: Document) -> None:
    for path in SECRETS:
        place = document.places.get(path)
        if place and place.written and not re.fullmatch(r"\$\{\w+\}", place.written):
            text = f"must be ${{NAME}} of an environment variable, or use {path[-1]}_file"
            document.reject(path, f"{text}: what stands here ends up in backups")


def _findings(server: ServerConfig | None, vps: list[VirtualProxyConfig], now: datetime | None) -> Iterator[Finding]:
    if server:
        yield from server_rules(server)
        yield from server_files(server, now) if now else ()
        yield from picture_files(SERVER, server.pages) if now else ()
    for vp in vps:
        yield from vp_rules(vp)
        yield from login_rules(vp)
        yield from vouched_with_server(server, vp) if server else ()
        yield from mapping_rules(vp)
        yield from vp_files(vp, now) if now else ()
        yield from login_files(vp, now) if now else ()
        yield from picture_files(vp.name, vp.pages) if now else ()


def _problems(documents: Mapping[str, Document], findings: Iterable[Finding], *, warnings: bool) -> list[Problem]:
    chosen = [one for one in findings if one.warning is warnings]
    return [
        documents[one.file].problem(one.path, one.text) for one in chosen if one.path not in documents[one.file].flawed
    ]
