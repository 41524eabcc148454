"""The pictures beside the ways to log in, drawn for this: lines in the colour of the text, 24 by 24. No maker's mark.

They say nothing that the text beside them does not say.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from markupsafe import Markup

ICONS: Final[Mapping[str, Markup]] = MappingProxyType(
    {
        "building": Markup('<path d="M5 21V4h9v17M14 9h5v12M3 21h18M8 8h3M8 12h3M8 16h3"/>'),
        "desktop": Markup('<rect x="3" y="4" width="18" height="12" rx="1.5"/><path d="M8 20h8M12 16v4"/>'),
        "door": Markup('<path d="M6 21V4h12v17M3 21h18M14.5 12v1.5"/>'),
        "globe": Markup(
            '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c2.6 2.6 3.8 5.6 3.8 9s-1.2 6.4-3.8 9'
            'c-2.6-2.6-3.8-5.6-3.8-9S9.4 5.6 12 3z"/>'
        ),
        "id-card": Markup(
            '<rect x="3" y="5" width="18" height="14" rx="2"/><circle cx="8.5" cy="10.5" r="2"/>'
            '<path d="M5.5 16c.5-1.7 1.6-2.5 3-2.5s2.5.8 3 2.5M14.5 10H18M14.5 14H18"/>'
        ),
        "key": Markup('<circle cx="8" cy="16" r="4"/><path d="M11 13l9-9M17 7l3 3M14 10l2 2"/>'),
        "person": Markup('<circle cx="12" cy="8" r="4"/><path d="M4 21c0-4.5 3.6-7 8-7s8 2.5 8 7"/>'),
        "phone": Markup('<rect x="7" y="3" width="10" height="18" rx="2"/><path d="M11 17.5h2"/>'),
        "shield": Markup('<path d="M12 3l7 3v5c0 4.6-2.8 8-7 10-4.2-2-7-5.4-7-10V6zM9 12l2.2 2.2L15.2 10"/>'),
    }
)

_OF_METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "password_file": "key",
        "users": "key",
        "oidc": "globe",
        "saml": "building",
        "ldap": "id-card",
        "kerberos": "desktop",
        "trusted_header": "shield",
        "jwt_handoff": "door",
    }
)


def icon_of(name: str, method: str) -> Markup:
    """The one that was chosen ("" for none), or that of the method."""
    return ICONS.get(name) or ICONS[_OF_METHODS.get(method, "key")]
