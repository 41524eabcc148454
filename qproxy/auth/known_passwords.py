"""Passwords that everybody thinks of: a few words, and what people do to them to satisfy a rule.

Pure. It is the part that works everywhere; the lists of breached passwords are files (breached.py).
"""

from typing import Final

_WORDS: Final = """
password passwort passord losenord losen motdepasse contrasena senha parola haslo wachtwoord kennwort geheim
secret admin administrator root user guest test tester demo default login logon access letmein letmeinnow
welcome willkommen bienvenue bienvenido valkommen hello hallo bonjour hola changeme changeit change please
pass word passphrase qlik qliksense qlikview sense sales finance company firma office computer internet
windows microsoft google server qwerty qwertyuiop qwertz qwertzuiop azerty azertyuiop asdf asdfgh asdfghjkl
zxcvbn zxcvbnm yxcvbnm qazwsx qazwsxedc wsxedc qweasd qweasdzxc abc abcd abcdef abcdefg abcdefgh abcdefghij
abcdefghijkl iloveyou loveyou love lover sunshine princess princesa dragon monkey football fussball futbol
soccer baseball hockey basketball superman batman spiderman pokemon starwars master shadow michael jennifer
jessica ashley daniel charlie thomas andrea nicole jordan harley ranger hunter killer trustno whatever freedom
flower summer sommer winter spring autumn herbst hiver verano invierno january february march april june july
august september october november december monday tuesday wednesday thursday friday saturday sunday montag
dienstag mittwoch donnerstag freitag samstag sonntag matrix mustang corvette ferrari mercedes porsche
liverpool arsenal chelsea barcelona realmadrid juventus correcthorsebatterystaple nothing unknown personal
private security keepout opensesame sesame abracadabra
"""
WORDS: Final = frozenset(_WORDS.split())
ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
)
FEWEST_LETTERS: Final = 5
"""Different characters; fewer are a finger on a key."""
FEWEST_DIGITS: Final = 16
"""Of a password that has no letter at all."""
_LEET: Final = str.maketrans("013457@$!|", "oleastasil")
_LOOSE: Final = "0123456789 .,;:!?*+-_#$%&/()=@'\"<>[]{}|\\^~`"


def is_well_known(password: str) -> bool:
    """Whether it is such a word, two, or one again and again, with digits and signs around; or keys in their order."""
    folded = password.casefold()
    if len(set(folded)) < FEWEST_LETTERS or _is_row(folded):
        return True
    if not any(map(str.isalpha, folded)):
        return len(folded) < FEWEST_DIGITS
    return any(map(_is_words, _plain_forms(folded)))


def _plain_forms(folded: str) -> set[str]:
    """The word without what is around it, before and after digits that stand for letters are read as those."""
    bare = folded.strip(_LOOSE)
    spelled = folded.translate(_LEET)
    return {bare, bare.translate(_LEET), spelled.strip(_LOOSE), "".join(filter(str.isalpha, folded))}


def _is_words(text: str) -> bool:
    unit = text[: (text + text).find(text, 1)]
    if not unit or unit in WORDS:
        return True
    return any(unit[:cut] in WORDS and unit[cut:].strip(_LOOSE) in WORDS for cut in range(1, len(unit)))


def _is_row(text: str) -> bool:
    """Keys or letters in their order, there or back, perhaps again and again."""
    return any(text in row * (len(text) // len(row) + 2) for one in ROWS for row in (one, one[::-1]))
