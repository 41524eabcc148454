"""Spanish, with usted."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "product": "Qlik Sense",
        "footer": "",
        "support": "",
        "error_prefix": "Error: ",
        # the form
        "login_title": "Iniciar sesión",
        "login_button": "Iniciar sesión",
        "login_again_button": "Volver a iniciar sesión",
        "name": "Nombre de usuario",
        "password": "Contraseña",
        "login_relogin": "{product} no ha aceptado su última sesión. Inicie sesión de nuevo.",
        "login_token": (
            "No se ha podido asociar esta página con su navegador. Inténtelo de nuevo. Si vuelve a ocurrir, permita "
            "las cookies de este sitio."
        ),
        "login_cross_site": (
            "Este formulario se ha enviado desde otro sitio, por lo que no se ha tenido en cuenta. Inicie sesión aquí."
        ),
        # why a login was refused (auth.method.Reason)
        "wrong": "El nombre de usuario o la contraseña no son correctos.",
        "throttled": "Ha habido demasiados intentos. Espere un momento antes de volver a intentarlo.",
        "busy": "En este momento hay muchas personas iniciando sesión. Inténtelo de nuevo en unos segundos.",
        "unavailable": "No es posible iniciar sesión en este momento. Avise a su administrador.",
        "denied": "No tiene permiso para usar {product} aquí. Su administrador puede indicarle el motivo.",
        "rejected": (
            "La respuesta del servicio de inicio de sesión de su organización no era de confianza, por lo que no se ha "
            "iniciado ninguna sesión. Empiece de nuevo."
        ),
        "stale": (
            "Este inicio de sesión ha tardado demasiado, ya se ha completado o se ha empezado en otro navegador. "
            "Empiece de nuevo."
        ),
        "ldap_password_expired": (
            "Su contraseña ha caducado. Cámbiela en su lugar de trabajo e inicie sesión aquí después."
        ),
        "ldap_must_change_password": "Primero debe cambiar su contraseña. Cámbiela en su lugar de trabajo.",
        "ldap_account_disabled": "Su cuenta está desactivada. Consulte a su administrador.",
        "ldap_account_expired": "Su cuenta ha caducado. Consulte a su administrador.",
        "ldap_not_now": "Su cuenta no se puede usar a esta hora.",
        "ldap_not_here": "Su cuenta no se puede usar desde aquí. Consulte a su administrador.",
        "refused_title": "No ha iniciado sesión",
        "again_button": "Volver a intentarlo",
        # which way to log in
        "login_choose": "¿Cómo desea iniciar sesión?",
        "login_other": "Iniciar sesión de otra forma",
        "login_change": "Cambiar mi contraseña",
        "login_email": "Su dirección de correo electrónico",
        "login_email_button": "Continuar",
        "login_no_way": "No hay ninguna forma de iniciar sesión con esa dirección. Elija una de la lista.",
        "way_ldap": "Su nombre de usuario y contraseña del trabajo",
        "way_password_file": "Nombre de usuario y contraseña",
        "way_trusted_header": "Inicio de sesión de su organización",
        "way_jwt_handoff": "Portal de su organización",
        "way_kerberos": "Inicio de sesión con Windows o Kerberos",
        "way_oidc": "Cuenta de su organización",
        "way_saml": "Inicio de sesión en su organización",
        "sent_title": "Ya casi está",
        "sent_text": "El siguiente paso es el inicio de sesión de su organización.",
        "sent_button": "Continuar",
        "account_locked": "Su cuenta está bloqueada. Avise a su administrador.",
        "account_expired": "Su cuenta ha caducado. Avise a su administrador.",
        "continue_button": "Continuar",
        "totp_title": "Segundo paso",
        "totp_code": "Código de su aplicación de autenticación o código de recuperación",
        "code_wrong": "El código no es correcto. Escriba el que muestra ahora su aplicación de autenticación.",
        "code_used": (
            "Este código ya se ha utilizado. Espere a que su aplicación de autenticación muestre el siguiente."
        ),
        "totp_enrol_title": "Configurar el segundo paso",
        "totp_enrol": (
            "A partir de ahora se le pedirá también un código de una aplicación de autenticación de su teléfono. "
            "Escanee la imagen con una aplicación de ese tipo, o escriba en ella la clave, y escriba después el código "
            "que muestre."
        ),
        "totp_picture": "Imagen para su aplicación de autenticación (código QR)",
        "totp_key": "Clave, si no puede escanear la imagen",
        "totp_first_code": "Código que muestra la aplicación",
        "recovery_title": "Guarde sus códigos de recuperación",
        "recovery_codes": (
            "Si pierde el teléfono, cada uno de estos códigos le permite iniciar sesión una vez sin la aplicación. "
            "Solo se muestran ahora: imprímalos o anótelos y guárdelos en un lugar seguro."
        ),
        "recovery_button": "Ya los he guardado",
        "password_title": "Elija una contraseña nueva",
        "password_must_change": "Su administrador le pide que elija una contraseña nueva.",
        "password_expired": "Su contraseña es demasiado antigua. Elija una nueva.",
        "password_change": "Elija una contraseña nueva para su cuenta.",
        "password_least": "Número mínimo de caracteres, sin contar su nombre de usuario:",
        "new_password": "Contraseña nueva",
        "new_password_again": "Contraseña nueva otra vez",
        "password_differs": "Las dos contraseñas nuevas no coinciden.",
        "password_same": "Esa es su contraseña anterior. Elija otra.",
        "password_short": (
            "La contraseña es demasiado corta. Unas cuantas palabras separadas por espacios son fáciles de recordar."
        ),
        "password_long": "La contraseña es demasiado larga.",
        "password_name": "Sin su nombre de usuario, la contraseña es demasiado corta.",
        "password_well_known": "Demasiadas personas usan esa contraseña. Elija otra.",
        "password_breached": "Esa contraseña aparece en una filtración de datos y se adivinaría pronto. Elija otra.",
        # logging out
        "logout_title": "Cerrar sesión",
        "logout_question": "¿Desea cerrar la sesión de {product}?",
        "logout_button": "Cerrar sesión",
        "logout_token": "No se ha podido asociar esta página con su navegador. Pulse el botón otra vez.",
        "logout_cross_site": (
            "Otro sitio ha pedido cerrar su sesión, por lo que no se ha hecho nada. ¿Desea cerrar la sesión?"
        ),
        "logged_out_title": "Ha cerrado la sesión",
        "logged_out": "Su sesión de {product} ha terminado. Puede cerrar esta ventana.",
        "logged_out_leaving": "Su sesión de {product} ha terminado. Ahora se cierra también la de su organización.",
        "logged_out_leave_button": "Continuar",
        # failures
        "sentence_bad_request": "No se ha entendido la solicitud.",
        "sentence_bad_target": "La dirección de la solicitud no se puede transmitir.",
        "sentence_bad_framing": "La longitud de la solicitud no está clara.",
        "sentence_bad_upgrade": "No se ha entendido la solicitud de abrir un WebSocket.",
        "sentence_cookie_conflict": "Se han enviado dos sesiones a la vez. Inicie sesión de nuevo.",
        "sentence_origin_refused": "Otro sitio no puede usar Qlik en su nombre.",
        "sentence_not_logged_in": "Inicie sesión.",
        "sentence_unknown_path": "No hay nada en esta dirección.",
        "sentence_method_refused": "Este método no se transmite.",
        "sentence_head_timeout": "La solicitud no ha llegado a tiempo.",
        "sentence_body_timeout": "El resto de la solicitud no ha llegado a tiempo.",
        "sentence_misdirected": "Este servidor no responde por ese nombre de host.",
        "sentence_head_too_large": "Los encabezados de la solicitud son demasiado grandes.",
        "sentence_version_refused": "Aquí solo se admiten HTTP/1.0 y HTTP/1.1.",
        "sentence_coding_refused": "Esta codificación de transferencia no se admite.",
        "sentence_browser_gone": "El navegador ha cerrado la conexión.",
        "sentence_browser_stalled": "El navegador ha dejado de leer.",
        "sentence_too_many_connections": "Hay demasiadas conexiones desde aquí.",
        "sentence_overloaded": "Hay demasiadas conexiones en este momento.",
        "sentence_shutting_down": "Este servicio se está reiniciando.",
        "sentence_store_unavailable": "Las sesiones no se pueden comprobar en este momento.",
        "sentence_internal": "Se ha producido un error por nuestra parte.",
        "sentence_upstream_refused": "No se puede acceder a {product}; quizá se esté reiniciando.",
        "sentence_upstream_tls": "{product} no ha podido demostrar su identidad.",
        "sentence_upstream_connect_timeout": "No se ha podido acceder a {product} a tiempo.",
        "sentence_upstream_timeout": "{product} no ha respondido a tiempo.",
        "sentence_upstream_stalled": "{product} se ha detenido en mitad de su respuesta.",
        "sentence_upstream_gone": "{product} ha cerrado la conexión antes de completar su respuesta.",
        "sentence_upstream_bad_answer": "No se ha entendido la respuesta de {product}.",
        "sentence_upstream_busy": "Todas las conexiones con {product} están ocupadas.",
        "sentence_session_forgotten": "{product} ya no reconoce la sesión. Inténtelo de nuevo.",
        "sentence_qps_api": "No se ha podido comunicar la sesión a {product}. Inténtelo de nuevo.",
        "sentence_session_limit": "{product} no permite más sesiones de esta persona.",
        "sentence_session_not_accepted": "{product} no acepta la sesión.",
        "title_browser": "No ha funcionado",
        "title_upstream": "{product} no ha respondido",
        "title_qproxy": "No ha funcionado",
        "title_upstream_refused": "{product} se está reiniciando",
        "title_shutting_down": "Un momento, por favor",
        "title_session_not_accepted": "{product} no acepta su sesión",
        "title_not_logged_in": "Inicie sesión",
        "title_unknown_path": "Aquí no hay nada",
        "advice_browser": "Vuelva atrás e inténtelo de nuevo. Si ha seguido un enlace, es posible que no sea correcto.",
        "advice_upstream": (
            "Inténtelo de nuevo en un minuto. Si el problema continúa, indique a su administrador el número que "
            "aparece abajo."
        ),
        "advice_qproxy": (
            "Inténtelo de nuevo en un minuto. Si el problema continúa, indique a su administrador el número que "
            "aparece abajo."
        ),
        "advice_upstream_refused": (
            "Esta página lo vuelve a intentar por sí sola cada pocos segundos. Su sesión sigue abierta."
        ),
        "advice_upstream_connect_timeout": (
            "Esta página lo vuelve a intentar por sí sola cada pocos segundos. Su sesión sigue abierta."
        ),
        "advice_shutting_down": (
            "Esta página lo vuelve a intentar por sí sola cada pocos segundos. Su sesión sigue abierta."
        ),
        "advice_session_not_accepted": (
            "Ha iniciado sesión, pero {product} ha vuelto a preguntar quién es usted. Iniciar sesión de nuevo puede "
            "ayudar; si no, indique a su administrador el número que aparece abajo: en el registro consta qué hay que "
            "comprobar en la QMC."
        ),
        "advice_cookie_conflict": "Cierre todas las ventanas de este navegador, ábralo de nuevo e inicie sesión.",
        "advice_head_too_large": "Elimine en su navegador las cookies de este sitio e inténtelo de nuevo.",
        "request_number": "Número de la solicitud",
        "failure_word": "Tipo de error",
    }
)
