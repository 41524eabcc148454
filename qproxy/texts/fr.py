"""French, with vous; a no-break space before two-part punctuation, and {product} where no article or elision is due."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "product": "Qlik Sense",
        "footer": "",
        "support": "",
        "error_prefix": "Erreur\u00a0: ",
        # the form
        "login_title": "Connexion",
        "login_button": "Se connecter",
        "login_again_button": "Se reconnecter",
        "name": "Nom d’utilisateur",
        "password": "Mot de passe",
        "login_relogin": "{product} n’a pas accepté votre dernière session. Veuillez vous connecter à nouveau.",
        "login_token": (
            "Cette page n’a pas pu être associée à votre navigateur. Veuillez réessayer. Si cela se reproduit, "
            "autorisez les cookies pour ce site."
        ),
        "login_cross_site": (
            "Ce formulaire a été envoyé depuis un autre site et n’a donc pas été pris en compte. Veuillez vous "
            "connecter ici."
        ),
        # why a login was refused (auth.method.Reason)
        "wrong": "Le nom d’utilisateur ou le mot de passe est incorrect.",
        "throttled": "Il y a eu trop de tentatives. Veuillez patienter avant de réessayer.",
        "busy": ("De nombreuses personnes se connectent en ce moment. Veuillez réessayer dans quelques secondes."),
        "unavailable": "La connexion est impossible pour le moment. Veuillez prévenir votre administrateur.",
        "denied": (
            "Vous n’êtes pas autorisé à utiliser {product} ici. Votre administrateur peut vous en indiquer la raison."
        ),
        "rejected": (
            "La réponse du service de connexion de votre organisation n’était pas fiable\u00a0: personne n’a été "
            "connecté. Veuillez recommencer."
        ),
        "stale": (
            "Cette connexion a pris trop de temps, est déjà terminée ou a été commencée dans un autre navigateur. "
            "Veuillez recommencer."
        ),
        "ldap_password_expired": (
            "Votre mot de passe a expiré. Veuillez le changer sur votre poste de travail, puis vous connecter ici."
        ),
        "ldap_must_change_password": (
            "Vous devez d’abord changer votre mot de passe. Veuillez le faire sur votre poste de travail."
        ),
        "ldap_account_disabled": "Votre compte est désactivé. Veuillez contacter votre administrateur.",
        "ldap_account_expired": "Votre compte a expiré. Veuillez contacter votre administrateur.",
        "ldap_not_now": "Votre compte ne peut pas être utilisé à cette heure.",
        "ldap_not_here": "Votre compte ne peut pas être utilisé d’ici. Veuillez contacter votre administrateur.",
        "refused_title": "Vous n’êtes pas connecté",
        "again_button": "Réessayer",
        # which way to log in
        "login_choose": "Comment souhaitez-vous vous connecter\u00a0?",
        "login_other": "Se connecter autrement",
        "login_change": "Changer mon mot de passe",
        "login_email": "Votre adresse e-mail",
        "login_email_button": "Continuer",
        "login_no_way": "Aucun mode de connexion n’est prévu pour cette adresse. Veuillez en choisir un.",
        "way_ldap": "Votre nom d’utilisateur et votre mot de passe professionnels",
        "way_password_file": "Nom d’utilisateur et mot de passe",
        "way_trusted_header": "Connexion de votre organisation",
        "way_jwt_handoff": "Portail de votre organisation",
        "way_kerberos": "Connexion par Windows ou Kerberos",
        "way_oidc": "Compte de votre organisation",
        "way_saml": "Connexion auprès de votre organisation",
        "sent_title": "Vous y êtes presque",
        "sent_text": "L’étape suivante est la connexion auprès de votre organisation.",
        "sent_button": "Continuer",
        "account_locked": "Votre compte est verrouillé. Veuillez prévenir votre administrateur.",
        "account_expired": "Votre compte a expiré. Veuillez prévenir votre administrateur.",
        "continue_button": "Continuer",
        "totp_title": "Deuxième étape",
        "totp_code": "Code de votre application d’authentification, ou code de secours",
        "code_wrong": (
            "Ce code est incorrect. Veuillez saisir celui que votre application d’authentification affiche maintenant."
        ),
        "code_used": (
            "Ce code a déjà été utilisé. Veuillez attendre que votre application d’authentification affiche le suivant."
        ),
        "totp_enrol_title": "Configurer la deuxième étape",
        "totp_enrol": (
            "Désormais, un code fourni par une application d’authentification sur votre téléphone vous sera aussi "
            "demandé. Scannez l’image avec une telle application, ou saisissez-y la clé, puis saisissez ici le code "
            "qu’elle affiche."
        ),
        "totp_picture": "Image pour votre application d’authentification (code QR)",
        "totp_key": "Clé, si vous ne pouvez pas scanner l’image",
        "totp_first_code": "Code affiché par l’application",
        "recovery_title": "Conservez vos codes de secours",
        "recovery_codes": (
            "Si vous perdez votre téléphone, chacun de ces codes vous permet de vous connecter une fois sans "
            "l’application. Ils ne sont affichés que maintenant\u00a0: imprimez-les ou notez-les, et conservez-les en "
            "lieu sûr."
        ),
        "recovery_button": "Je les ai conservés",
        "password_title": "Choisissez un nouveau mot de passe",
        "password_must_change": "Votre administrateur vous demande de choisir un nouveau mot de passe.",
        "password_expired": "Votre mot de passe est trop ancien. Veuillez en choisir un nouveau.",
        "password_change": "Choisissez un nouveau mot de passe pour votre compte.",
        "password_least": "Nombre minimal de caractères, sans compter votre nom d’utilisateur\u00a0:",
        "new_password": "Nouveau mot de passe",
        "new_password_again": "Nouveau mot de passe, encore une fois",
        "password_differs": "Les deux saisies du nouveau mot de passe sont différentes.",
        "password_same": "C’est votre ancien mot de passe. Veuillez en choisir un autre.",
        "password_short": (
            "Ce mot de passe est trop court. Quelques mots séparés par des espaces sont faciles à retenir."
        ),
        "password_long": "Ce mot de passe est trop long.",
        "password_name": "Sans votre nom d’utilisateur, ce mot de passe est trop court.",
        "password_well_known": "Ce mot de passe est utilisé par trop de monde. Veuillez en choisir un autre.",
        "password_breached": (
            "Ce mot de passe provient d’une fuite de données connue et serait vite deviné. Veuillez en choisir un "
            "autre."
        ),
        # logging out
        "logout_title": "Déconnexion",
        "logout_question": "Voulez-vous quitter {product} et vous déconnecter\u00a0?",
        "logout_button": "Se déconnecter",
        "logout_token": (
            "Cette page n’a pas pu être associée à votre navigateur. Veuillez appuyer de nouveau sur le bouton."
        ),
        "logout_cross_site": (
            "Un autre site a tenté de vous déconnecter\u00a0; rien n’a été fait. Voulez-vous vous déconnecter\u00a0?"
        ),
        "logged_out_title": "Vous êtes déconnecté",
        "logged_out": "Votre session {product} est terminée. Vous pouvez fermer cette fenêtre.",
        "logged_out_leaving": (
            "Votre session {product} est terminée. La connexion à votre organisation va maintenant prendre fin, elle "
            "aussi."
        ),
        "logged_out_leave_button": "Continuer",
        # failures
        "sentence_bad_request": "La requête n’a pas été comprise.",
        "sentence_bad_target": "L’adresse de la requête ne peut pas être transmise.",
        "sentence_bad_framing": "La longueur de la requête n’est pas claire.",
        "sentence_bad_upgrade": "La demande d’ouverture d’un WebSocket n’a pas été comprise.",
        "sentence_cookie_conflict": "Deux sessions ont été envoyées à la fois. Veuillez vous reconnecter.",
        "sentence_origin_refused": "Un autre site ne peut pas utiliser Qlik en votre nom.",
        "sentence_not_logged_in": "Veuillez vous connecter.",
        "sentence_unknown_path": "Il n’y a rien à cette adresse.",
        "sentence_method_refused": "Cette méthode n’est pas transmise.",
        "sentence_head_timeout": "La requête n’est pas arrivée à temps.",
        "sentence_body_timeout": "La suite de la requête n’est pas arrivée à temps.",
        "sentence_misdirected": "Ce serveur ne répond pas pour ce nom d’hôte.",
        "sentence_head_too_large": "Les en-têtes de la requête sont trop volumineux.",
        "sentence_version_refused": "Seuls HTTP/1.0 et HTTP/1.1 sont acceptés ici.",
        "sentence_coding_refused": "Ce codage de transfert n’est pas pris en charge.",
        "sentence_browser_gone": "Le navigateur a mis fin à la connexion.",
        "sentence_browser_stalled": "Le navigateur a cessé de lire.",
        "sentence_too_many_connections": "Trop de connexions sont ouvertes depuis votre adresse.",
        "sentence_overloaded": "Trop de connexions sont ouvertes en ce moment.",
        "sentence_shutting_down": "Ce service redémarre.",
        "sentence_store_unavailable": "Les sessions ne peuvent pas être vérifiées pour le moment.",
        "sentence_internal": "Une erreur s’est produite de notre côté.",
        "sentence_upstream_refused": "{product} est inaccessible\u00a0; un redémarrage est peut-être en cours.",
        "sentence_upstream_tls": "{product} n’a pas pu prouver son identité.",
        "sentence_upstream_connect_timeout": "{product} n’a pas pu être joint à temps.",
        "sentence_upstream_timeout": "{product} n’a pas répondu à temps.",
        "sentence_upstream_stalled": "{product} s’est arrêté au milieu de sa réponse.",
        "sentence_upstream_gone": "{product} a mis fin à la connexion avant la fin de sa réponse.",
        "sentence_upstream_bad_answer": "{product} a donné une réponse qui n’a pas été comprise.",
        "sentence_upstream_busy": "Toutes les connexions vers {product} sont occupées.",
        "sentence_session_forgotten": "{product} ne connaît plus cette session. Veuillez réessayer.",
        "sentence_qps_api": "{product} n’a pas pu être informé de la session. Veuillez réessayer.",
        "sentence_session_limit": "{product} n’autorise aucune autre session pour cette personne.",
        "sentence_session_not_accepted": "{product} n’accepte pas la session.",
        "title_browser": "Cela n’a pas fonctionné",
        "title_upstream": "{product} n’a pas répondu",
        "title_qproxy": "Cela n’a pas fonctionné",
        "title_upstream_refused": "{product} redémarre",
        "title_shutting_down": "Un instant, s’il vous plaît",
        "title_session_not_accepted": "{product} n’accepte pas votre session",
        "title_not_logged_in": "Veuillez vous connecter",
        "title_unknown_path": "Il n’y a rien ici",
        "advice_browser": "Revenez en arrière et réessayez. Si vous avez suivi un lien, il est peut-être erroné.",
        "advice_upstream": (
            "Réessayez dans une minute. Si le problème persiste, communiquez le numéro ci-dessous à votre "
            "administrateur."
        ),
        "advice_qproxy": (
            "Réessayez dans une minute. Si le problème persiste, communiquez le numéro ci-dessous à votre "
            "administrateur."
        ),
        "advice_upstream_refused": (
            "Cette page se recharge d’elle-même au bout de quelques secondes. Vous restez connecté."
        ),
        "advice_upstream_connect_timeout": (
            "Cette page se recharge d’elle-même au bout de quelques secondes. Vous restez connecté."
        ),
        "advice_shutting_down": (
            "Cette page se recharge d’elle-même au bout de quelques secondes. Vous restez connecté."
        ),
        "advice_session_not_accepted": (
            "Vous êtes connecté, mais {product} a redemandé qui vous êtes. Vous reconnecter peut suffire\u00a0; sinon, "
            "communiquez le numéro ci-dessous à votre administrateur\u00a0: le journal indique ce qu’il faut vérifier "
            "dans la QMC."
        ),
        "advice_cookie_conflict": (
            "Fermez toutes les fenêtres de ce navigateur, ouvrez-le de nouveau et connectez-vous."
        ),
        "advice_head_too_large": "Supprimez les cookies de ce site dans votre navigateur, puis réessayez.",
        "request_number": "Numéro de la requête",
        "failure_word": "Type d’erreur",
    }
)
