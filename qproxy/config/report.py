"""Shows a configuration that was read: for people, for programs, and its schema for editors.

Shows no secret: only what goes into the QMC, the warnings, and the schema, which knows no values.
"""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from qproxy.config.models import Config, ServerConfig, VirtualProxyConfig
from qproxy.config.qmc import QmcValue, qmc_values


def as_data(config: Config) -> dict[str, Any]:
    """Warnings with the fields of a Problem; virtual proxies, whose `qmc` are rows with the fields of a QmcValue."""
    warnings = [
        {"file": str(one.file), "line": one.line, "column": one.column, "key": one.key, "text": one.text}
        for one in config.warnings
    ]
    vps = [
        {
            "name": vp.name,
            "file": str(config.directory / f"{vp.name}.yaml"),
            "url": f"{config.server.public.origin}{vp.path}/",
            "qmc": [
                {"group": row.group, "field": row.field, "value": row.value, "note": row.note}
                for row in qmc_values(config, vp)
            ],
        }
        for vp in config.virtual_proxies
    ]
    return {"directory": str(config.directory), "warnings": warnings, "virtual_proxies": vps}


def print_report(config: Config) -> None:
    """The values for the QMC to stdout, as tables on a terminal and as plain lines elsewhere; warnings to stderr."""
    console = Console(highlight=False, markup=False) if sys.stdout.isatty() else None
    for vp in config.virtual_proxies:
        title = f"{vp.name}.yaml  {config.server.public.origin}{vp.path}/  in the QMC:"
        if console:
            console.print(_table(title, qmc_values(config, vp)))
        else:
            sys.stdout.write(_plain(title, qmc_values(config, vp)))
    for warning in config.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    sys.stdout.write(f"{config.directory}: no problems, {len(config.warnings)} warnings\n")


def _table(title: str, rows: tuple[QmcValue, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("Where", "Field", "Value", "Note"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row.group, row.field, row.value or "(empty)", row.note)
    return table


def _plain(title: str, rows: tuple[QmcValue, ...]) -> str:
    lines = [f"  {row.group} > {row.field} = {row.value or '(empty)'}{_note(row)}" for row in rows]
    return "\n".join([title, *lines, "", ""])


def _note(row: QmcValue) -> str:
    return f"  ({row.note})" if row.note else ""


def json_schema(file: str) -> dict[str, Any]:
    """JSON Schema of `server` or `virtual-proxy` files."""
    model = ServerConfig if file == "server" else VirtualProxyConfig
    schema = _without_null(model.model_json_schema())
    schema["properties"].pop("name", None)
    schema["required"] = [key for key in schema["required"] if key != "name"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _without_null(schema: Any) -> Any:
    """A key without a value is refused in the files, so null is no choice in them."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    choices = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    kept = {key: _without_null(one) for key, one in schema.items() if key != "anyOf" and one is not None}
    if len(choices) == 1:
        return _without_null(choices[0]) | kept
    return kept | ({"anyOf": _without_null(choices)} if choices else {})
