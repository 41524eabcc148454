"""What a virtual proxy's file may say of people in a file of users. Only shapes, as in `models`."""

from typing import Literal

from pydantic import Field

from qproxy.config.fields import CountOrNever, DurationOrNever, FilePath, Flag, PasswordLength
from qproxy.config.login_parts import Line, LoginPart
from qproxy.config.parts import Part


class NewPasswordConfig(Part):
    """What a password has to be when somebody chooses it on the login page."""

    shortest: PasswordLength = Field(default=12, description="Fewest characters, not counting the user name in it.")
    breached: FilePath | None = Field(default=None, description="File of SHA-1 hashes of breached passwords, in order.")
    max_age: DurationOrNever = Field(default=None, description="After this time the login asks for another one.")
    link: Flag = Field(default=False, description="Whether the login page has a link to where people change it.")


class PasswordFileLogin(LoginPart):
    method: Literal["password_file"] = Field(description="Names and argon2id hashes in a file of qproxy's own.")
    file: FilePath = Field(description="That file; `qproxy users` edits it.")
    totp: Literal["optional", "required"] = Field(
        default="optional", description="Codes of an authenticator app: from who has one, or from everybody."
    )
    issuer: Line = Field(default="Qlik Sense", description="What authenticator apps call the account.")
    password: NewPasswordConfig = Field(default=NewPasswordConfig(), description="What new passwords have to be.")
    lock_after: CountOrNever = Field(default=None, description="So many wrong tries lock a person out.")
    recheck: DurationOrNever = Field(default=None, description="How often sessions are checked against the file.")
