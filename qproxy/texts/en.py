"""English. All words are here; every other language has the same ones, and a test asks."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from qproxy.errors import Failure

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "product": "Qlik Sense",
        "footer": "",
        "support": "",
        "error_prefix": "Error: ",
        # the form
        "login_title": "Log in",
        "login_button": "Log in",
        "login_again_button": "Log in again",
        "name": "User name",
        "password": "Password",
        "login_relogin": "{product} did not accept your last session. Please log in once more.",
        "login_token": (
            "This page could not be matched to your browser. Please try again. If it happens again, allow cookies "
            "for this site."
        ),
        "login_cross_site": "This form was sent from another site, so nothing was done. Please log in here.",
        # why a login was refused (auth.method.Reason)
        "wrong": "The user name or the password is not right.",
        "throttled": "There were too many tries. Please wait before the next one.",
        "busy": "Many people are logging in at this moment. Please try again in a few seconds.",
        "unavailable": "Logging in is not possible at the moment. Please tell your administrator.",
        "denied": "You are not allowed to use {product} here. Your administrator can tell you why.",
        "rejected": (
            "What came back from your organisation's login could not be trusted, so nobody was logged in. Please begin "
            "again."
        ),
        "stale": "This login took too long, was done before, or began in another browser. Please begin again.",
        # what a directory says after the right password
        "ldap_password_expired": "Your password has expired. Please change it where you work, then log in here.",
        "ldap_must_change_password": "Your password has to be changed first. Please change it where you work.",
        "ldap_account_disabled": "Your account is disabled. Please ask your administrator.",
        "ldap_account_expired": "Your account has expired. Please ask your administrator.",
        "ldap_not_now": "Your account may not be used at this time.",
        "ldap_not_here": "Your account may not be used from here. Please ask your administrator.",
        "refused_title": "You are not logged in",
        "again_button": "Try again",
        # which way to log in
        "login_choose": "How do you want to log in?",
        "login_other": "Log in another way",
        "login_change": "Change my password",
        "login_email": "Your e-mail address",
        "login_email_button": "Continue",
        "login_no_way": "No way to log in is known for this address. Please choose one.",
        "way_ldap": "Your user name and password at work",
        "way_password_file": "User name and password",
        "way_trusted_header": "Your organisation's login",
        "way_jwt_handoff": "Your organisation's portal",
        "way_kerberos": "Windows or Kerberos sign-in",
        "way_oidc": "Company login",
        "way_saml": "Your organisation's login",
        "sent_title": "Almost there",
        "sent_text": "Your organisation's login is the next step.",
        "sent_button": "Continue",
        # users in a file of our own: what is the matter, once the password was right, and the further steps
        "account_locked": "Your account is locked. Please tell your administrator.",
        "account_expired": "Your account has expired. Please tell your administrator.",
        "continue_button": "Continue",
        "totp_title": "Second step",
        "totp_code": "Code of your authenticator app, or a recovery code",
        "code_wrong": "This code is not right. Please type the one that your authenticator app shows now.",
        "code_used": "This code was used before. Please wait until your authenticator app shows the next one.",
        "totp_enrol_title": "Set up the second step",
        "totp_enrol": (
            "From now on a code of an authenticator app on your phone is asked for, too. Scan the picture with such an "
            "app, or type the key into it, and then type the code that it shows."
        ),
        "totp_picture": "Picture for your authenticator app (QR code)",
        "totp_key": "Key, if you cannot scan the picture",
        "totp_first_code": "Code that the app shows",
        "recovery_title": "Keep your recovery codes",
        "recovery_codes": (
            "If you lose your phone, each of these codes lets you in once instead of the app. They are shown only now: "
            "print them or write them down, and keep them safe."
        ),
        "recovery_button": "I have kept them",
        "password_title": "Choose a new password",
        "password_must_change": "Your administrator asks you to choose a new password.",
        "password_expired": "Your password is too old. Please choose a new one.",
        "password_change": "Choose a new password for your account.",
        "password_least": "It needs at least so many characters, not counting your user name:",
        "new_password": "New password",
        "new_password_again": "New password once more",
        "password_differs": "You did not type the same new password twice.",
        "password_same": "This is your old password. Please choose another one.",
        "password_short": "This password is too short. A few words with spaces are easy to remember.",
        "password_long": "This password is too long.",
        "password_name": "Without your user name in it this password is too short.",
        "password_well_known": "Too many people have this password. Please choose another one.",
        "password_breached": (
            "This password is known from a theft of data elsewhere, so it would soon be guessed. Please choose another "
            "one."
        ),
        # logging out
        "logout_title": "Log out",
        "logout_question": "Do you want to log out of {product}?",
        "logout_button": "Log out",
        "logout_token": "This page could not be matched to your browser. Please press the button once more.",
        "logout_cross_site": "Another site asked to log you out, so nothing was done. Do you want to log out?",
        "logged_out_title": "You are logged out",
        "logged_out": "Your {product} session has ended. You can close this window.",
        "logged_out_leaving": "Your {product} session has ended. Now your organisation's login ends, too.",
        "logged_out_leave_button": "Continue",
        # failures: what happened, a title by word or blame, and what a person can do by word or by blame
        **{f"sentence_{one.word}": one.sentence.replace("Qlik Sense", "{product}") for one in Failure},
        "title_browser": "This did not work",
        "title_upstream": "{product} did not answer",
        "title_qproxy": "This did not work",
        "title_upstream_refused": "{product} is restarting",
        "title_shutting_down": "One moment, please",
        "title_session_not_accepted": "{product} does not accept your session",
        "title_not_logged_in": "Please log in",
        "title_unknown_path": "Nothing here",
        "advice_browser": "Go back and try again. If you followed a link, the link may be wrong.",
        "advice_upstream": "Try again in a minute. If it goes on, give your administrator the number below.",
        "advice_qproxy": "Try again in a minute. If it goes on, give your administrator the number below.",
        "advice_upstream_refused": "This page tries again by itself every few seconds. You stay logged in.",
        "advice_upstream_connect_timeout": "This page tries again by itself every few seconds. You stay logged in.",
        "advice_shutting_down": "This page tries again by itself every few seconds. You stay logged in.",
        "advice_session_not_accepted": (
            "You are logged in, but {product} asked who you are again. Logging in again may help; if not, give your "
            "administrator the number below: the log says what to check in the QMC."
        ),
        "advice_cookie_conflict": "Close all windows of this browser, open it again and log in.",
        "advice_head_too_large": "Delete the cookies of this site in your browser, then try again.",
        "request_number": "Request number",
        "failure_word": "Kind of failure",
    }
)
