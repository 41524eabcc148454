"""The global object (handle -1) of the stand-in engine: versions, the list of apps, opening one, who I am.

One per socket, because what is open and who asks belongs to the socket's engine session.
"""

from collections.abc import Mapping
from typing import ClassVar
from uuid import uuid4

from qproxy.qliksim.engine_doc import RELOADED
from qproxy.qliksim.engine_rpc import (
    ALREADY_OPEN,
    APP_NOT_FOUND,
    NOT_FOUND,
    EngineError,
    Json,
    Method,
    Results,
    no_results,
)
from qproxy.qliksim.engine_session import EngineSession
from qproxy.qliksim.settings import AppSettings

GLOBAL_HANDLE = -1
COMPONENT_VERSION = "12.2027.0"


class Global:
    """What every socket can ask before an app is open."""

    kind = "Global"
    id = "Global"

    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self.opened = False

    def engine_version(self) -> Results:
        return {"qVersion": {"qComponentVersion": COMPONENT_VERSION}}

    def authenticated_user(self) -> Results:
        directory, name = self.session.user
        return {"qReturn": f"UserDirectory={directory}; UserId={name}"}

    def doc_list(self) -> Results:
        return {"qDocList": [_list_entry(app) for app in self.session.apps.values()]}

    def open_doc(self, name: Json, *_credentials: Json) -> Results:
        """Opens one app per engine session; another socket of the session gets the same document."""
        app = self.session.apps.get(str(name))
        if app is None:
            raise EngineError(APP_NOT_FOUND, "App not found", str(name))
        doc = self.session.doc
        if self.opened or (doc is not None and doc.id != app.id):
            raise EngineError(ALREADY_OPEN, "App already open", str(name))
        self.opened = True
        return self.session.handles.give(doc or self.session.open(app))

    def active_doc(self) -> Results:
        if self.session.doc is None:
            raise EngineError(NOT_FOUND, "No app is open")
        return self.session.handles.give(self.session.doc)

    def create_session_app(self) -> Results:
        if self.session.doc is not None:
            raise EngineError(ALREADY_OPEN, "App already open", self.session.doc.id)
        app = AppSettings(id=f"SessionApp_{uuid4()}", title="")
        self.opened = True
        return {"qSessionAppId": app.id} | self.session.handles.give(self.session.open(app, empty=True))

    def unique_id(self) -> Results:
        return {"qUniqueID": str(uuid4())}

    def configuration(self) -> Results:
        features = {"qIsDesktop": False, "qCanCreateApp": True, "qHasHttp2": False}
        return {"qConfig": {"qFeatures": features, "qComponentVersion": COMPONENT_VERSION}}

    def bnf_hash(self, _kind: Json) -> Results:
        return {"qBnfHash": "5f2c1d9ab37e40c88d16e2a4907bb3f1"}

    def progress(self, _request: Json) -> Results:
        return {"qProgressData": {"qStarted": True, "qFinished": True, "qCompleted": 0, "qTotal": 0}}

    METHODS: ClassVar[Mapping[str, Method]] = {
        "EngineVersion": Method((), engine_version),
        "ProductVersion": Method((), lambda _self: {"qReturn": "14.212.7"}),
        "QTProduct": Method((), lambda _self: {"qReturn": "Qlik Sense"}),
        "OSName": Method((), lambda _self: {"qReturn": "Windows Server 2022"}),
        "IsPersonalMode": Method((), lambda _self: {"qReturn": False}),
        "AllowCreateApp": Method((), lambda _self: {"qReturn": True}),
        "GetAuthenticatedUser": Method((), authenticated_user),
        "GetDocList": Method((), doc_list),
        "OpenDoc": Method(("qDocName", "qUserName", "qPassword", "qSerial", "qNoData"), open_doc),
        "GetActiveDoc": Method((), active_doc),
        "CreateSessionApp": Method((), create_session_app),
        "GetUniqueID": Method((), unique_id),
        "GetConfiguration": Method((), configuration),
        "GetBaseBNFHash": Method(("qBnfType",), bnf_hash),
        "GetProgress": Method(("qRequestId",), progress),
        "CancelRequest": Method(("qRequestId",), no_results),
        "AbortAll": Method((), no_results),
    }


def _list_entry(app: AppSettings) -> Json:
    return {
        "qDocName": app.title,
        "qConnectedUsers": 0,
        "qFileTime": 0,
        "qFileSize": 196608,
        "qDocId": app.id,
        "qMeta": {"name": app.title, "published": True, "stream": {"id": "everyone", "name": "Everyone"}},
        "qLastReloadTime": RELOADED,
        "qTitle": app.title,
        "qThumbnail": {"qUrl": ""},
    }
