"""German, with Sie."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "product": "Qlik Sense",
        "footer": "",
        "support": "",
        "error_prefix": "Fehler: ",
        # the form
        "login_title": "Anmelden",
        "login_button": "Anmelden",
        "login_again_button": "Wieder anmelden",
        "name": "Benutzername",
        "password": "Passwort",
        "login_relogin": "{product} hat Ihre letzte Sitzung nicht anerkannt. Bitte melden Sie sich noch einmal an.",
        "login_token": (
            "Diese Seite ließ sich Ihrem Browser nicht zuordnen. Bitte versuchen Sie es noch einmal. Wenn das wieder "
            "geschieht, erlauben Sie bitte Cookies für diese Website."
        ),
        "login_cross_site": (
            "Dieses Formular kam von einer anderen Website und wurde deshalb nicht angenommen. Bitte melden Sie sich "
            "hier an."
        ),
        # why a login was refused (auth.method.Reason)
        "wrong": "Der Benutzername oder das Passwort stimmt nicht.",
        "throttled": "Das waren zu viele Versuche. Bitte warten Sie etwas, bevor Sie es noch einmal versuchen.",
        "busy": (
            "Im Moment melden sich sehr viele Personen an. Bitte versuchen Sie es in ein paar Sekunden noch einmal."
        ),
        "unavailable": "Die Anmeldung ist zurzeit nicht möglich. Bitte verständigen Sie Ihre Administration.",
        "denied": "Sie dürfen {product} hier nicht nutzen. Den Grund erfahren Sie bei Ihrer Administration.",
        "rejected": (
            "Die Antwort des Anmeldedienstes Ihrer Organisation war nicht vertrauenswürdig. Deshalb wurde niemand "
            "angemeldet. Bitte beginnen Sie noch einmal von vorn."
        ),
        "stale": (
            "Diese Anmeldung hat zu lange gedauert, ist schon abgeschlossen oder wurde in einem anderen Browser "
            "begonnen. Bitte beginnen Sie noch einmal von vorn."
        ),
        "ldap_password_expired": (
            "Ihr Passwort ist abgelaufen. Bitte ändern Sie es an Ihrem Arbeitsplatz und melden Sie sich dann hier an."
        ),
        "ldap_must_change_password": (
            "Ihr Passwort muss zuerst geändert werden. Bitte ändern Sie es an Ihrem Arbeitsplatz."
        ),
        "ldap_account_disabled": "Ihr Konto ist deaktiviert. Bitte wenden Sie sich an Ihre Administration.",
        "ldap_account_expired": "Ihr Konto ist abgelaufen. Bitte wenden Sie sich an Ihre Administration.",
        "ldap_not_now": "Ihr Konto darf zu dieser Zeit nicht benutzt werden.",
        "ldap_not_here": (
            "Ihr Konto darf von hier aus nicht benutzt werden. Bitte wenden Sie sich an Ihre Administration."
        ),
        "refused_title": "Sie sind nicht angemeldet",
        "again_button": "Noch einmal versuchen",
        # which way to log in
        "login_choose": "Wie möchten Sie sich anmelden?",
        "login_other": "Auf andere Weise anmelden",
        "login_change": "Mein Passwort ändern",
        "login_email": "Ihre E-Mail-Adresse",
        "login_email_button": "Weiter",
        "login_no_way": "Zu dieser Adresse ist keine Anmeldung bekannt. Bitte wählen Sie selbst eine aus.",
        "way_ldap": "Ihr Benutzername und Passwort am Arbeitsplatz",
        "way_password_file": "Benutzername und Passwort",
        "way_trusted_header": "Anmeldung Ihrer Organisation",
        "way_jwt_handoff": "Portal Ihrer Organisation",
        "way_kerberos": "Anmeldung über Windows oder Kerberos",
        "way_oidc": "Anmeldung über Ihre Organisation",
        "way_saml": "Anmeldung bei Ihrer Organisation",
        "sent_title": "Fast geschafft",
        "sent_text": "Weiter geht es mit der Anmeldung bei Ihrer Organisation.",
        "sent_button": "Weiter",
        "account_locked": "Ihr Konto ist gesperrt. Bitte wenden Sie sich an Ihre Administration.",
        "account_expired": "Ihr Konto ist abgelaufen. Bitte wenden Sie sich an Ihre Administration.",
        "continue_button": "Weiter",
        "totp_title": "Zweiter Schritt",
        "totp_code": "Code aus Ihrer Authenticator-App oder ein Wiederherstellungscode",
        "code_wrong": (
            "Dieser Code stimmt nicht. Bitte geben Sie den Code ein, den Ihre Authenticator-App jetzt anzeigt."
        ),
        "code_used": (
            "Dieser Code wurde schon verwendet. Bitte warten Sie, bis Ihre Authenticator-App den nächsten anzeigt."
        ),
        "totp_enrol_title": "Zweiten Schritt einrichten",
        "totp_enrol": (
            "Ab jetzt wird zusätzlich ein Code aus einer Authenticator-App auf Ihrem Telefon verlangt. Scannen Sie das "
            "Bild mit einer solchen App oder geben Sie dort den Schlüssel ein, und geben Sie dann hier den Code ein, "
            "den die App anzeigt."
        ),
        "totp_picture": "Bild für Ihre Authenticator-App (QR-Code)",
        "totp_key": "Schlüssel, falls Sie das Bild nicht scannen können",
        "totp_first_code": "Code, den die App anzeigt",
        "recovery_title": "Bewahren Sie diese Codes gut auf",
        "recovery_codes": (
            "Wenn Sie Ihr Telefon verlieren, können Sie sich mit jedem dieser Codes einmal statt mit der App anmelden. "
            "Sie werden nur jetzt angezeigt: Drucken Sie sie aus oder schreiben Sie sie auf und bewahren Sie sie "
            "sicher auf."
        ),
        "recovery_button": "Ich habe sie aufbewahrt",
        "password_title": "Neues Passwort wählen",
        "password_must_change": "Ihre Administration bittet Sie, ein neues Passwort zu wählen.",
        "password_expired": "Ihr Passwort ist zu alt. Bitte wählen Sie ein neues.",
        "password_change": "Wählen Sie ein neues Passwort für Ihr Konto.",
        "password_least": "Mindestlänge in Zeichen, Ihren Benutzernamen nicht mitgezählt:",
        "new_password": "Neues Passwort",
        "new_password_again": "Neues Passwort noch einmal",
        "password_differs": "Sie haben nicht zweimal dasselbe neue Passwort eingegeben.",
        "password_same": "Das ist Ihr altes Passwort. Bitte wählen Sie ein anderes.",
        "password_short": "Dieses Passwort ist zu kurz. Ein paar Wörter mit Leerzeichen lassen sich leicht merken.",
        "password_long": "Dieses Passwort ist zu lang.",
        "password_name": "Ohne Ihren Benutzernamen darin ist dieses Passwort zu kurz.",
        "password_well_known": "Dieses Passwort verwenden zu viele Leute. Bitte wählen Sie ein anderes.",
        "password_breached": (
            "Dieses Passwort ist aus einem Datendiebstahl bekannt und würde bald erraten. Bitte wählen Sie ein anderes."
        ),
        # logging out
        "logout_title": "Abmelden",
        "logout_question": "Möchten Sie sich von {product} abmelden?",
        "logout_button": "Abmelden",
        "logout_token": (
            "Diese Seite ließ sich Ihrem Browser nicht zuordnen. Bitte klicken Sie noch einmal auf die Schaltfläche."
        ),
        "logout_cross_site": (
            "Eine andere Website wollte Sie abmelden; es ist nichts geschehen. Möchten Sie sich abmelden?"
        ),
        "logged_out_title": "Sie sind abgemeldet",
        "logged_out": "Ihre Sitzung in {product} ist beendet. Sie können dieses Fenster schließen.",
        "logged_out_leaving": (
            "Ihre Sitzung in {product} ist beendet. Nun wird auch die Anmeldung bei Ihrer Organisation beendet."
        ),
        "logged_out_leave_button": "Weiter",
        # failures
        "sentence_bad_request": "Die Anfrage war nicht verständlich.",
        "sentence_bad_target": "Die Adresse in der Anfrage kann nicht weitergegeben werden.",
        "sentence_bad_framing": "Die Länge der Anfrage ist nicht eindeutig.",
        "sentence_bad_upgrade": "Die Anfrage, einen WebSocket zu öffnen, war nicht verständlich.",
        "sentence_cookie_conflict": "Es wurden zwei Sitzungen zugleich gesendet. Bitte melden Sie sich neu an.",
        "sentence_origin_refused": "Eine andere Website darf Qlik nicht in Ihrem Namen verwenden.",
        "sentence_not_logged_in": "Bitte melden Sie sich an.",
        "sentence_unknown_path": "Unter dieser Adresse gibt es nichts.",
        "sentence_method_refused": "Diese Methode wird nicht weitergegeben.",
        "sentence_head_timeout": "Die Anfrage ist nicht rechtzeitig angekommen.",
        "sentence_body_timeout": "Der Rest der Anfrage ist nicht rechtzeitig angekommen.",
        "sentence_misdirected": "Dieser Server ist für diesen Hostnamen nicht zuständig.",
        "sentence_head_too_large": "Die Kopfzeilen der Anfrage sind zu groß.",
        "sentence_version_refused": "Hier werden nur HTTP/1.0 und HTTP/1.1 gesprochen.",
        "sentence_coding_refused": "Diese Übertragungskodierung wird nicht unterstützt.",
        "sentence_browser_gone": "Der Browser hat die Verbindung beendet.",
        "sentence_browser_stalled": "Der Browser hat aufgehört zu lesen.",
        "sentence_too_many_connections": "Von hier aus bestehen zu viele Verbindungen.",
        "sentence_overloaded": "Zurzeit bestehen zu viele Verbindungen.",
        "sentence_shutting_down": "Dieser Dienst startet gerade neu.",
        "sentence_store_unavailable": "Sitzungen können zurzeit nicht geprüft werden.",
        "sentence_internal": "Hier ist etwas schiefgegangen.",
        "sentence_upstream_refused": "{product} ist nicht erreichbar; vielleicht startet es gerade neu.",
        "sentence_upstream_tls": "{product} konnte sich nicht ausweisen.",
        "sentence_upstream_connect_timeout": "{product} war nicht rechtzeitig erreichbar.",
        "sentence_upstream_timeout": "{product} hat nicht rechtzeitig geantwortet.",
        "sentence_upstream_stalled": "{product} hat mitten in der Antwort aufgehört.",
        "sentence_upstream_gone": "{product} hat die Verbindung beendet, bevor die Antwort vollständig war.",
        "sentence_upstream_bad_answer": "Die Antwort von {product} war nicht verständlich.",
        "sentence_upstream_busy": "Alle Verbindungen zu {product} sind belegt.",
        "sentence_session_forgotten": "{product} kennt die Sitzung nicht mehr. Bitte versuchen Sie es noch einmal.",
        "sentence_qps_api": (
            "Die Sitzung konnte {product} nicht mitgeteilt werden. Bitte versuchen Sie es noch einmal."
        ),
        "sentence_session_limit": "{product} lässt keine weitere Sitzung dieser Person zu.",
        "sentence_session_not_accepted": "{product} erkennt die Sitzung nicht an.",
        "title_browser": "Das hat nicht geklappt",
        "title_upstream": "{product} hat nicht geantwortet",
        "title_qproxy": "Das hat nicht geklappt",
        "title_upstream_refused": "{product} startet gerade neu",
        "title_shutting_down": "Einen Moment bitte",
        "title_session_not_accepted": "{product} erkennt Ihre Sitzung nicht an",
        "title_not_logged_in": "Bitte melden Sie sich an",
        "title_unknown_path": "Hier gibt es nichts",
        "advice_browser": (
            "Gehen Sie zurück und versuchen Sie es noch einmal. Falls Sie einem Link gefolgt sind, ist er vielleicht "
            "falsch."
        ),
        "advice_upstream": (
            "Versuchen Sie es in einer Minute noch einmal. Wenn es dabei bleibt, nennen Sie Ihrer Administration die "
            "Nummer unten."
        ),
        "advice_qproxy": (
            "Versuchen Sie es in einer Minute noch einmal. Wenn es dabei bleibt, nennen Sie Ihrer Administration die "
            "Nummer unten."
        ),
        "advice_upstream_refused": (
            "Diese Seite versucht es alle paar Sekunden von selbst noch einmal. Sie bleiben angemeldet."
        ),
        "advice_upstream_connect_timeout": (
            "Diese Seite versucht es alle paar Sekunden von selbst noch einmal. Sie bleiben angemeldet."
        ),
        "advice_shutting_down": (
            "Diese Seite versucht es alle paar Sekunden von selbst noch einmal. Sie bleiben angemeldet."
        ),
        "advice_session_not_accepted": (
            "Sie sind angemeldet, aber {product} hat noch einmal gefragt, wer Sie sind. Vielleicht hilft eine neue "
            "Anmeldung. Wenn nicht, nennen Sie Ihrer Administration die Nummer unten: Im Protokoll steht, was in der "
            "QMC zu prüfen ist."
        ),
        "advice_cookie_conflict": (
            "Schließen Sie alle Fenster dieses Browsers, öffnen Sie ihn wieder und melden Sie sich an."
        ),
        "advice_head_too_large": (
            "Löschen Sie in Ihrem Browser die Cookies dieser Website und versuchen Sie es dann noch einmal."
        ),
        "request_number": "Nummer der Anfrage",
        "failure_word": "Art des Fehlers",
    }
)
