"""A stand-in for one Qlik Sense node, to develop, show and test a proxy without a Qlik licence.

It plays the proxy service (sessions, logins, redirects, engine sockets), the hub, the administrative REST
port and a small engine. It shares no code with the rest of the package on purpose: a misreading of Qlik's
behaviour on one side would otherwise be confirmed by the other.
"""

from qproxy.qliksim.node import QlikNode
from qproxy.qliksim.settings import AppSettings, SimConfig, Toggles, VirtualProxySettings

__all__ = ["AppSettings", "QlikNode", "SimConfig", "Toggles", "VirtualProxySettings"]
