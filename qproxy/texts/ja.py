"""Japanese, in the polite form."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "product": "Qlik Sense",
        "footer": "",
        "support": "",
        "error_prefix": "エラー：",
        # the form
        "login_title": "ログイン",
        "login_button": "ログイン",
        "login_again_button": "もう一度ログイン",
        "name": "ユーザー名",
        "password": "パスワード",
        "login_relogin": "前回のセッションは {product} で受け付けられませんでした。もう一度ログインしてください。",
        "login_token": (
            "このページをお使いのブラウザーと照合できませんでした。もう一度お試しください。繰り返し表示される場合は、"
            "このサイトの Cookie を許可してください。"
        ),
        "login_cross_site": (
            "このフォームは別のサイトから送信されたため、処理しませんでした。こちらからログインしてください。"
        ),
        # why a login was refused (auth.method.Reason)
        "wrong": "ユーザー名またはパスワードが正しくありません。",
        "throttled": "試行回数が多すぎます。しばらく待ってから、もう一度お試しください。",
        "busy": "現在、ログインが集中しています。数秒後にもう一度お試しください。",
        "unavailable": "現在ログインできません。管理者にお知らせください。",
        "denied": "こちらの {product} を利用する権限がありません。理由については管理者にお問い合わせください。",
        "rejected": (
            "所属組織のログインサービスからの応答を信頼できなかったため、ログインしませんでした。"
            "最初からやり直してください。"
        ),
        "stale": (
            "このログインは、時間がかかりすぎたか、すでに完了しているか、別のブラウザーで開始されたものです。"
            "最初からやり直してください。"
        ),
        "ldap_password_expired": (
            "パスワードの有効期限が切れています。職場でパスワードを変更してから、こちらでログインしてください。"
        ),
        "ldap_must_change_password": "先にパスワードの変更が必要です。職場でパスワードを変更してください。",
        "ldap_account_disabled": "アカウントが無効になっています。管理者にお問い合わせください。",
        "ldap_account_expired": "アカウントの有効期限が切れています。管理者にお問い合わせください。",
        "ldap_not_now": "この時間帯はアカウントを利用できません。",
        "ldap_not_here": "こちらからはアカウントを利用できません。管理者にお問い合わせください。",
        "refused_title": "ログインしていません",
        "again_button": "もう一度試す",
        # which way to log in
        "login_choose": "ログイン方法を選択してください。",
        "login_other": "別の方法でログイン",
        "login_change": "パスワードを変更",
        "login_email": "メールアドレス",
        "login_email_button": "続ける",
        "login_no_way": "このメールアドレスに対応するログイン方法がありません。一覧から選択してください。",
        "way_ldap": "職場のユーザー名とパスワード",
        "way_password_file": "ユーザー名とパスワード",
        "way_trusted_header": "所属組織のログイン",
        "way_jwt_handoff": "所属組織のポータル",
        "way_kerberos": "Windows または Kerberos でログイン",
        "way_oidc": "所属組織のアカウント",
        "way_saml": "所属組織のシングルサインオン",
        "sent_title": "もう少しで完了です",
        "sent_text": "続いて、所属組織のログインに進みます。",
        "sent_button": "続ける",
        "account_locked": "アカウントがロックされています。管理者にお知らせください。",
        "account_expired": "アカウントの有効期限が切れています。管理者にお知らせください。",
        "continue_button": "続ける",
        "totp_title": "2 段階目の確認",
        "totp_code": "認証アプリのコードまたは回復用コード",
        "code_wrong": "コードが正しくありません。認証アプリに現在表示されているコードを入力してください。",
        "code_used": "このコードはすでに使用されています。認証アプリに次のコードが表示されるまでお待ちください。",
        "totp_enrol_title": "2 段階目の設定",
        "totp_enrol": (
            "今後は、スマートフォンの認証アプリに表示されるコードも必要になります。認証アプリで画像を読み取るか、"
            "キーをアプリに入力し、アプリに表示されたコードを入力してください。"
        ),
        "totp_picture": "認証アプリ用の画像（QR コード）",
        "totp_key": "画像を読み取れない場合のキー",
        "totp_first_code": "アプリに表示されたコード",
        "recovery_title": "回復用コードの保管",
        "recovery_codes": (
            "スマートフォンを紛失した場合は、アプリの代わりに各コードを 1 回ずつ使ってログインできます。"
            "コードが表示されるのは今回だけです。印刷するか書き留めて、安全な場所に保管してください。"
        ),
        "recovery_button": "保管しました",
        "password_title": "新しいパスワードの設定",
        "password_must_change": "管理者から、新しいパスワードの設定を求められています。",
        "password_expired": "パスワードの有効期限が切れています。新しいパスワードを設定してください。",
        "password_change": "アカウントの新しいパスワードを設定してください。",
        "password_least": "最小文字数（ユーザー名の部分は含みません）：",
        "new_password": "新しいパスワード",
        "new_password_again": "新しいパスワード（確認）",
        "password_differs": "2 回入力された新しいパスワードが一致しません。",
        "password_same": "これまでのパスワードと同じです。別のパスワードを設定してください。",
        "password_short": "パスワードが短すぎます。いくつかの単語を空白で区切ると覚えやすくなります。",
        "password_long": "パスワードが長すぎます。",
        "password_name": "ユーザー名の部分を除くと、パスワードが短すぎます。",
        "password_well_known": "このパスワードは多くの人に使われています。別のパスワードを設定してください。",
        "password_breached": (
            "このパスワードは外部の情報漏えいで流出しているため、推測されるおそれがあります。"
            "別のパスワードを設定してください。"
        ),
        # logging out
        "logout_title": "ログアウト",
        "logout_question": "{product} からログアウトしますか？",
        "logout_button": "ログアウト",
        "logout_token": "このページをお使いのブラウザーと照合できませんでした。もう一度ボタンを押してください。",
        "logout_cross_site": "別のサイトからログアウトが要求されましたが、何も行っていません。ログアウトしますか？",
        "logged_out_title": "ログアウトしました",
        "logged_out": "{product} のセッションは終了しました。このウィンドウは閉じてもかまいません。",
        "logged_out_leaving": "{product} のセッションは終了しました。続いて、所属組織のログインも終了します。",
        "logged_out_leave_button": "続ける",
        # failures
        "sentence_bad_request": "リクエストを解釈できませんでした。",
        "sentence_bad_target": "リクエストのアドレスは転送できません。",
        "sentence_bad_framing": "リクエストの長さが不明確です。",
        "sentence_bad_upgrade": "WebSocket を開くリクエストを解釈できませんでした。",
        "sentence_cookie_conflict": "2 つのセッションが同時に送信されました。もう一度ログインしてください。",
        "sentence_origin_refused": "別のサイトがあなたの名前で Qlik を利用することはできません。",
        "sentence_not_logged_in": "ログインしてください。",
        "sentence_unknown_path": "このアドレスには何もありません。",
        "sentence_method_refused": "このメソッドは転送されません。",
        "sentence_head_timeout": "リクエストが時間内に届きませんでした。",
        "sentence_body_timeout": "リクエストの残りが時間内に届きませんでした。",
        "sentence_misdirected": "このサーバーは、そのホスト名には応答しません。",
        "sentence_head_too_large": "リクエストのヘッダーが大きすぎます。",
        "sentence_version_refused": "HTTP/1.0 と HTTP/1.1 のみに対応しています。",
        "sentence_coding_refused": "この転送コーディングには対応していません。",
        "sentence_browser_gone": "ブラウザーが接続を終了しました。",
        "sentence_browser_stalled": "ブラウザーが読み込みを停止しました。",
        "sentence_too_many_connections": "同じ場所からの接続が多すぎます。",
        "sentence_overloaded": "現在、接続が多すぎます。",
        "sentence_shutting_down": "このサービスは再起動中です。",
        "sentence_store_unavailable": "現在、セッションを確認できません。",
        "sentence_internal": "サーバー側で問題が発生しました。",
        "sentence_upstream_refused": "{product} に接続できません。再起動中の可能性があります。",
        "sentence_upstream_tls": "{product} の身元を確認できませんでした。",
        "sentence_upstream_connect_timeout": "{product} に時間内に接続できませんでした。",
        "sentence_upstream_timeout": "{product} から時間内に応答がありませんでした。",
        "sentence_upstream_stalled": "{product} からの応答が途中で止まりました。",
        "sentence_upstream_gone": "{product} からの応答が完了する前に接続が切れました。",
        "sentence_upstream_bad_answer": "{product} からの応答を解釈できませんでした。",
        "sentence_upstream_busy": "{product} への接続がすべて使用中です。",
        "sentence_session_forgotten": "{product} にセッションが残っていません。もう一度お試しください。",
        "sentence_qps_api": "{product} にセッションを通知できませんでした。もう一度お試しください。",
        "sentence_session_limit": "{product} では、このユーザーのセッションをこれ以上開始できません。",
        "sentence_session_not_accepted": "セッションが {product} で受け付けられませんでした。",
        "title_browser": "処理できませんでした",
        "title_upstream": "{product} から応答がありません",
        "title_qproxy": "処理できませんでした",
        "title_upstream_refused": "{product} は再起動中です",
        "title_shutting_down": "少々お待ちください",
        "title_session_not_accepted": "セッションが {product} で受け付けられません",
        "title_not_logged_in": "ログインしてください",
        "title_unknown_path": "何も見つかりません",
        "advice_browser": (
            "前のページに戻って、もう一度お試しください。リンクから移動した場合は、リンクが間違っている可能性があります。"
        ),
        "advice_upstream": (
            "1 分ほど待ってから、もう一度お試しください。解決しない場合は、下の番号を管理者にお知らせください。"
        ),
        "advice_qproxy": (
            "1 分ほど待ってから、もう一度お試しください。解決しない場合は、下の番号を管理者にお知らせください。"
        ),
        "advice_upstream_refused": "このページは数秒ごとに自動で再試行します。ログイン状態は維持されます。",
        "advice_upstream_connect_timeout": "このページは数秒ごとに自動で再試行します。ログイン状態は維持されます。",
        "advice_shutting_down": "このページは数秒ごとに自動で再試行します。ログイン状態は維持されます。",
        "advice_session_not_accepted": (
            "ログインしていますが、{product} からもう一度本人確認を求められました。"
            "再度ログインすると解決することがあります。"
            "解決しない場合は、下の番号を管理者にお知らせください。QMC で確認すべき項目がログに記録されています。"
        ),
        "advice_cookie_conflict": (
            "このブラウザーのウィンドウをすべて閉じ、ブラウザーを開き直してログインしてください。"
        ),
        "advice_head_too_large": "ブラウザーでこのサイトの Cookie を削除してから、もう一度お試しください。",
        "request_number": "リクエスト番号",
        "failure_word": "エラーの種類",
    }
)
