"""What a virtual proxy's file says of Qlik's side of a session: who tells whom of it, and the API of the proxy service.

Only shapes and defaults; rules between keys are in rules.
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from qproxy.config.fields import Duration, FilePath, HostName, Origin, Origins
from qproxy.config.parts import Part

API_PORT = 4243

Mode = Literal["session_module", "session_api", "ticket"]


class QpsApiConfig(Part):
    """`client_certificate` lets its holder become any Qlik user: it is shown to `urls`, and to nobody else."""

    urls: Origins | None = Field(
        default=None, description="The API of each node, in the order of upstreams; else port 4243 of their hosts."
    )
    ca: FilePath = Field(description="PEM file: the only CA that may vouch for the API (root.pem of the site).")
    server_name: HostName | None = Field(
        default=None, description="Name expected in its certificate, when not the URL's host."
    )
    client_certificate: FilePath = Field(description="PEM file of the client certificate (client.pem).")
    client_key: FilePath = Field(description="PEM file of its private key (client_key.pem).")
    client_key_password_file: FilePath | None = Field(default=None, description="File with its password.")
    timeout: Duration = Field(default=5, description="The API must have answered in this time.")

    def of(self, hosts: Iterable[str]) -> Origins:
        """The API's address on each node."""
        return self.urls or tuple(Origin("https", host, API_PORT) for host in hosts)
