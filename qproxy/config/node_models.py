"""What a virtual proxy's file says of the Qlik nodes: where they are, how they prove who they are, that they work.

Shapes and defaults only, as in models. Rules between keys are in rules.
"""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from qproxy.config.fields import Count, Duration, FilePath, Flag, HostName, OriginUrl, parse_duration
from qproxy.config.parts import Part


def _parse_wait(value: object) -> float:
    return 0.0 if value in (0, "0", "0s") and not isinstance(value, bool) else parse_duration(value)


def _check_path(path: str) -> str:
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("must begin with one slash: it is a path on the Qlik nodes, such as /sales/qps/user")
    if not path.isascii() or not path.isprintable() or " " in path or "#" in path:
        raise ValueError("must be written as it is sent: ASCII without spaces and #, all else percent-encoded")
    return path


def _url_alone(value: object) -> object:
    """`https://qlik1.internal` stands for `{url: https://qlik1.internal}`."""
    return value if isinstance(value, dict | NodeConfig) else {"url": value}


def _one_or_many(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Wait = Annotated[
    float,
    BeforeValidator(_parse_wait),
    WithJsonSchema({"type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]+)? ?[smhd]?$", "examples": ["10s", 0]}),
]
NodePath = Annotated[str, AfterValidator(_check_path)]


class NodeConfig(Part):
    url: OriginUrl = Field(description="A Qlik node's proxy service: https://host[:port].")
    drain: Flag = Field(default=False, description="Use it only while no other node is there.")

    @property
    def scheme(self) -> str:
        return self.url.scheme

    @property
    def host(self) -> str:
        return self.url.host

    @property
    def port(self) -> int:
        return self.url.port

    def __str__(self) -> str:
        return str(self.url)


_NodeEntry = Annotated[NodeConfig, BeforeValidator(_url_alone, json_schema_input_type=OriginUrl | NodeConfig)]
Nodes = Annotated[
    tuple[_NodeEntry, ...],
    BeforeValidator(_one_or_many, json_schema_input_type=_NodeEntry | tuple[_NodeEntry, ...]),
    Field(min_length=1),
]


class UpstreamTlsConfig(Part):
    ca: FilePath = Field(description="PEM file: the only CA that may vouch for the Qlik nodes (root.pem of the site).")
    server_name: HostName | None = Field(
        default=None, description="Name expected in their certificates, when not the URL's host."
    )
    client_certificate: FilePath | None = Field(
        default=None, description="PEM file of a certificate to show to the Qlik nodes."
    )
    client_key: FilePath | None = Field(default=None, description="PEM file of its private key.")
    client_key_password_file: FilePath | None = Field(default=None, description="File with its password.")


class PoolConfig(Part):
    connections: Count = Field(default=256, description="Most connections to one Qlik node; WebSockets count apart.")
    idle: Duration = Field(default=60, description="An unused connection to a Qlik node is closed after this time.")


class HealthConfig(Part):
    path: NodePath | None = Field(
        default=None, description="What is asked of each node; without it qps/user of the virtual proxy."
    )
    interval: Duration = Field(default=5, description="Time between two checks of a node.")
    timeout: Duration = Field(default=3, description="A check must be connected, and then answered, in this time.")
    unhealthy_after: Count = Field(default=3, description="Failures in a row by which a node is down.")
    healthy_after: Count = Field(default=2, description="Passed checks in a row by which it is up again.")
    slow_start: Duration = Field(default=30, description="Time in which a node that is back gets its share again.")
