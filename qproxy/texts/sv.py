"""Swedish."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "product": "Qlik Sense",
        "footer": "",
        "support": "",
        "error_prefix": "Fel: ",
        # the form
        "login_title": "Logga in",
        "login_button": "Logga in",
        "login_again_button": "Logga in igen",
        "name": "Användarnamn",
        "password": "Lösenord",
        "login_relogin": "{product} godtog inte din förra session. Logga in en gång till.",
        "login_token": (
            "Sidan kunde inte kopplas till din webbläsare. Försök igen. Om det händer en gång till behöver du tillåta "
            "kakor för den här webbplatsen."
        ),
        "login_cross_site": (
            "Formuläret skickades från en annan webbplats, så ingenting har hänt. Logga in här i stället."
        ),
        # why a login was refused (auth.method.Reason)
        "wrong": "Fel användarnamn eller lösenord.",
        "throttled": "Det blev för många försök. Vänta en stund innan du försöker igen.",
        "busy": "Just nu är det många som loggar in. Försök igen om några sekunder.",
        "unavailable": "Det går inte att logga in just nu. Kontakta din administratör.",
        "denied": "Du har inte behörighet att använda {product} här. Din administratör kan berätta varför.",
        "rejected": (
            "Svaret från din organisations inloggning gick inte att lita på, så ingen har loggats in. Börja om från "
            "början."
        ),
        "stale": (
            "Inloggningen tog för lång tid, är redan avslutad eller påbörjades i en annan webbläsare. Börja om från "
            "början."
        ),
        "ldap_password_expired": "Ditt lösenord har gått ut. Byt det på jobbet och logga sedan in här.",
        "ldap_must_change_password": "Du måste byta lösenord först. Byt det på jobbet.",
        "ldap_account_disabled": "Ditt konto är inaktiverat. Kontakta din administratör.",
        "ldap_account_expired": "Ditt konto har upphört att gälla. Kontakta din administratör.",
        "ldap_not_now": "Ditt konto får inte användas vid den här tiden.",
        "ldap_not_here": "Ditt konto får inte användas härifrån. Kontakta din administratör.",
        "refused_title": "Du är inte inloggad",
        "again_button": "Försök igen",
        # which way to log in
        "login_choose": "Hur vill du logga in?",
        "login_other": "Logga in på ett annat sätt",
        "login_change": "Byt mitt lösenord",
        "login_email": "Din e-postadress",
        "login_email_button": "Fortsätt",
        "login_no_way": "Det finns ingen inloggning för den adressen. Välj en i listan.",
        "way_ldap": "Ditt användarnamn och lösenord på jobbet",
        "way_password_file": "Användarnamn och lösenord",
        "way_trusted_header": "Din organisations inloggning",
        "way_jwt_handoff": "Din organisations portal",
        "way_kerberos": "Inloggning med Windows eller Kerberos",
        "way_oidc": "Din organisations konto",
        "way_saml": "Inloggning hos din organisation",
        "sent_title": "Nästan klart",
        "sent_text": "Nästa steg är din organisations inloggning.",
        "sent_button": "Fortsätt",
        "account_locked": "Ditt konto är låst. Kontakta din administratör.",
        "account_expired": "Ditt konto har upphört att gälla. Kontakta din administratör.",
        "continue_button": "Fortsätt",
        "totp_title": "Andra steget",
        "totp_code": "Kod från din autentiseringsapp eller en återställningskod",
        "code_wrong": "Koden är fel. Skriv den kod som din autentiseringsapp visar just nu.",
        "code_used": "Koden har redan använts. Vänta tills din autentiseringsapp visar nästa.",
        "totp_enrol_title": "Ställ in det andra steget",
        "totp_enrol": (
            "Från och med nu behövs även en kod från en autentiseringsapp i din telefon. Skanna bilden med en sådan "
            "app, eller skriv in nyckeln i den, och skriv sedan koden som appen visar."
        ),
        "totp_picture": "Bild till din autentiseringsapp (QR-kod)",
        "totp_key": "Nyckel, om du inte kan skanna bilden",
        "totp_first_code": "Koden som appen visar",
        "recovery_title": "Spara dina återställningskoder",
        "recovery_codes": (
            "Om du tappar bort telefonen kan du logga in en gång med var och en av koderna i stället för med appen. De "
            "visas bara nu: skriv ut dem eller anteckna dem och förvara dem säkert."
        ),
        "recovery_button": "Jag har sparat dem",
        "password_title": "Välj ett nytt lösenord",
        "password_must_change": "Din administratör vill att du väljer ett nytt lösenord.",
        "password_expired": "Ditt lösenord är för gammalt. Välj ett nytt.",
        "password_change": "Välj ett nytt lösenord för ditt konto.",
        "password_least": "Minsta antal tecken, användarnamnet oräknat:",
        "new_password": "Nytt lösenord",
        "new_password_again": "Nytt lösenord en gång till",
        "password_differs": "Du skrev inte samma nya lösenord båda gångerna.",
        "password_same": "Det är ditt gamla lösenord. Välj ett annat.",
        "password_short": "Lösenordet är för kort. Några ord med mellanslag är lätta att komma ihåg.",
        "password_long": "Lösenordet är för långt.",
        "password_name": "Utan ditt användarnamn är lösenordet för kort.",
        "password_well_known": "Det lösenordet används av alltför många. Välj ett annat.",
        "password_breached": (
            "Lösenordet är känt från en dataläcka någon annanstans och skulle snart gissas. Välj ett annat."
        ),
        # logging out
        "logout_title": "Logga ut",
        "logout_question": "Vill du logga ut från {product}?",
        "logout_button": "Logga ut",
        "logout_token": "Sidan kunde inte kopplas till din webbläsare. Tryck på knappen en gång till.",
        "logout_cross_site": "En annan webbplats försökte logga ut dig, så ingenting har hänt. Vill du logga ut?",
        "logged_out_title": "Du är utloggad",
        "logged_out": "Din session i {product} är avslutad. Du kan stänga det här fönstret.",
        "logged_out_leaving": "Din session i {product} är avslutad. Nu avslutas även din organisations inloggning.",
        "logged_out_leave_button": "Fortsätt",
        # failures
        "sentence_bad_request": "Begäran gick inte att förstå.",
        "sentence_bad_target": "Adressen i begäran kan inte skickas vidare.",
        "sentence_bad_framing": "Det framgår inte hur lång begäran är.",
        "sentence_bad_upgrade": "Begäran om att öppna en WebSocket gick inte att förstå.",
        "sentence_cookie_conflict": "Två sessioner skickades samtidigt. Logga in igen.",
        "sentence_origin_refused": "En annan webbplats får inte använda Qlik i ditt namn.",
        "sentence_not_logged_in": "Du behöver logga in.",
        "sentence_unknown_path": "Det finns ingenting på den här adressen.",
        "sentence_method_refused": "Den metoden skickas inte vidare.",
        "sentence_head_timeout": "Begäran kom inte fram i tid.",
        "sentence_body_timeout": "Resten av begäran kom inte fram i tid.",
        "sentence_misdirected": "Den här servern svarar inte för det värdnamnet.",
        "sentence_head_too_large": "Begärans huvudfält är för stora.",
        "sentence_version_refused": "Här används bara HTTP/1.0 och HTTP/1.1.",
        "sentence_coding_refused": "Den överföringskodningen stöds inte.",
        "sentence_browser_gone": "Webbläsaren avslutade anslutningen.",
        "sentence_browser_stalled": "Webbläsaren slutade läsa.",
        "sentence_too_many_connections": "Det finns för många anslutningar härifrån.",
        "sentence_overloaded": "Det finns för många anslutningar just nu.",
        "sentence_shutting_down": "Tjänsten startar om.",
        "sentence_store_unavailable": "Sessioner kan inte kontrolleras just nu.",
        "sentence_internal": "Något gick fel hos oss.",
        "sentence_upstream_refused": "{product} går inte att nå, kanske på grund av en omstart.",
        "sentence_upstream_tls": "{product} kunde inte styrka sin identitet.",
        "sentence_upstream_connect_timeout": "{product} gick inte att nå i tid.",
        "sentence_upstream_timeout": "{product} svarade inte i tid.",
        "sentence_upstream_stalled": "{product} slutade mitt i svaret.",
        "sentence_upstream_gone": "{product} avslutade anslutningen innan svaret var komplett.",
        "sentence_upstream_bad_answer": "Svaret från {product} gick inte att förstå.",
        "sentence_upstream_busy": "Alla anslutningar till {product} är upptagna.",
        "sentence_session_forgotten": "{product} har glömt sessionen. Försök igen.",
        "sentence_qps_api": "{product} kunde inte få besked om sessionen. Försök igen.",
        "sentence_session_limit": "{product} tillåter inte fler sessioner för den här personen.",
        "sentence_session_not_accepted": "{product} godtar inte sessionen.",
        "title_browser": "Det gick inte",
        "title_upstream": "{product} svarade inte",
        "title_qproxy": "Det gick inte",
        "title_upstream_refused": "{product} startar om",
        "title_shutting_down": "Ett ögonblick",
        "title_session_not_accepted": "{product} godtar inte din session",
        "title_not_logged_in": "Logga in",
        "title_unknown_path": "Här finns ingenting",
        "advice_browser": "Gå tillbaka och försök igen. Om du följde en länk kan den vara felaktig.",
        "advice_upstream": (
            "Försök igen om en minut. Om felet kvarstår, kontakta din administratör och uppge numret nedan."
        ),
        "advice_qproxy": (
            "Försök igen om en minut. Om felet kvarstår, kontakta din administratör och uppge numret nedan."
        ),
        "advice_upstream_refused": (
            "Sidan försöker igen av sig själv med några sekunders mellanrum. Du är kvar inloggad."
        ),
        "advice_upstream_connect_timeout": (
            "Sidan försöker igen av sig själv med några sekunders mellanrum. Du är kvar inloggad."
        ),
        "advice_shutting_down": (
            "Sidan försöker igen av sig själv med några sekunders mellanrum. Du är kvar inloggad."
        ),
        "advice_session_not_accepted": (
            "Du är inloggad, men {product} frågade på nytt vem du är. Det kan hjälpa att logga in igen. Om inte, "
            "kontakta din administratör och uppge numret nedan: i loggen står vad som behöver kontrolleras i QMC."
        ),
        "advice_cookie_conflict": "Stäng webbläsarens alla fönster, öppna den igen och logga in.",
        "advice_head_too_large": "Ta bort kakorna för den här webbplatsen i webbläsaren och försök sedan igen.",
        "request_number": "Begärans nummer",
        "failure_word": "Typ av fel",
    }
)
