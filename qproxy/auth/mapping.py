"""Who somebody is for Qlik whom a way to log in accepted: the rules of the configuration, applied.

In this order: user id, domain, case, user directory; then `deny`, `allow`, `otherwise`; then attributes. What is not
clear lets nobody in: a claim that is missing or has several values, a name that could be taken for another one.
Pure. It must not know how anybody proved who they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from qproxy.auth.method import Accept
from qproxy.auth.names import cn_of, normal, oddity, recased, same, usable_value
from qproxy.clients import within
from qproxy.config import LoginPart, VirtualProxyConfig
from qproxy.config.mapping_models import DOMAIN, AttributeConfig, PeopleConfig, WhoConfig, filled, places
from qproxy.config.names import QLIK_DIRECTORIES
from qproxy.model import Attributes, User

LONGEST_LIST = 500
"""Characters of a list of claims in a sentence."""
MOST_SHOWN = 10
LONGEST_SHOWN = 160
"""Attributes that are cut, in the log: how many, and characters of each."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`directory` is that of people for whom nothing says another one; `room`: bytes for their attributes."""

    who: WhoConfig
    directory: str
    room: int = 12288


def rules_of(vp: VirtualProxyConfig, login: LoginPart) -> Rules:
    """Of one way to log in. What everybody gets (`attributes`) always has its room."""
    return Rules(login.who.over(vp.who), vp.user_directory, max(0, vp.attributes_cap - vp.static_attributes.size))


@dataclass(frozen=True, slots=True)
class Identity:
    """`why`: each rule that applied, in order, with what it found; for administrators. `cut`: what Qlik misses."""

    user: User
    attributes: Attributes
    why: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """`word` is the exact reason, for the audit log; `rule` says it in a sentence that may be logged: which claims
    there were, but no value of them."""

    word: str
    rule: str
    why: tuple[str, ...] = ()


class _NotClear(Exception):
    def __init__(self, word: str, text: str) -> None:
        super().__init__(text)
        self.word = word


def shown_cut(cut: Sequence[str]) -> str:
    """For a log: the first ones, and how many there are."""
    more = f" ... and {len(cut) - MOST_SHOWN} more" if len(cut) > MOST_SHOWN else ""
    return ", ".join(one[:LONGEST_SHOWN] for one in cut[:MOST_SHOWN]) + more


def identify(accept: Accept, address: str, rules: Rules) -> Identity | Denied:
    """`address` is the browser's. Never raises."""
    why: list[str] = []
    try:
        user = _user(accept, rules, why)
    except _NotClear as unclear:
        return Denied(unclear.word, str(unclear), tuple(why))
    denied = _judged(_Person(user, accept.claims, address), rules.who, why)
    if denied is not None:
        return denied
    mapped = _Attributes(accept.claims, why)
    pairs = dict.fromkeys((*accept.attributes.pairs, *mapped.of(rules.who.attributes)))
    kept, _ = Attributes(tuple(pairs)).trimmed(rules.room)
    there = set(kept.pairs)
    over = [f"{name}={value}: beyond {rules.room} bytes" for name, value in pairs if (name, value) not in there]
    return Identity(user, kept, tuple(why), (*mapped.cut, *over))


# the user id and the user directory


def _user(accept: Accept, rules: Rules, why: list[str]) -> User:
    who = rules.who
    text = _filled(who.user_id, accept.claims) if who.user_id else accept.user_id
    why.append(f"user id {text!r}: {f'of {who.user_id}' if who.user_id else 'as the way to log in names it'}")
    name, domain = _split(text, who.domains, why) if who.domains else (_clear("user id", text), "")
    user_id = recased(name, who.case)
    if not user_id:
        raise _NotClear("denied_odd_name", f"the user id {name!r} has no capitals of its own: use case: lower")
    if user_id != name:
        why.append(f"user id {user_id!r}: case {who.case}")
    return User(_directory(accept, rules, domain, why), user_id)


def _split(text: str, domains: Sequence[str], why: list[str]) -> tuple[str, str]:
    """The name and its domain, "" when it came without one."""
    if text.count("\\") + text.count("@") > 1:
        raise _NotClear("denied_odd_name", f"the user id {text!r} has more than one \\ or @")
    left, backslash, right = text.partition("\\")
    name, _, domain = (right, backslash, left) if backslash else text.partition("@")
    name = _clear("user id", name)
    if "@" not in text and not backslash:
        return name, ""
    domain = _clear("domain", domain)
    if domain.endswith("."):
        raise _NotClear("denied_odd_name", f"the domain {domain!r} ends with a dot")
    if "*" not in domains and same(domain) not in map(same, domains):
        raise _NotClear("denied_domain", f"the domain of {text!r} is none of {', '.join(domains)}")
    why.append(f"user id {name!r}: without the domain {domain!r}")
    return name, domain


def _directory(accept: Accept, rules: Rules, domain: str, why: list[str]) -> str:
    template = rules.who.user_directory
    if template is None:
        directory = accept.directory or rules.directory
        why.append(f"user directory {directory!r}: of {'the way to log in' if accept.directory else 'user_directory'}")
    elif DOMAIN in places(template) and not domain:
        raise _NotClear("denied_domain", "the user id came without a domain, and user_directory needs it")
    else:
        directory = _filled(template, accept.claims, {DOMAIN: domain.upper()})
        why.append(f"user directory {directory!r}: of {template}")
    directory = _clear("user directory", directory)
    if same(directory) in QLIK_DIRECTORIES:
        raise _NotClear("denied_directory", f"{directory!r} is a user directory of Qlik's own accounts")
    return directory


def _clear(what: str, text: str) -> str:
    """In the form in which equal texts are equal."""
    odd = oddity(text)
    if odd:
        raise _NotClear("denied_odd_name", f"the {what} {text[:80]!r} {odd}")
    return normal(text)


def _filled(template: str, claims: Mapping[str, Sequence[str]], known: Mapping[str, str] | None = None) -> str:
    return filled(template, {name: (known or {}).get(name) or _one(name, claims) for name in places(template)})


def _one(name: str, claims: Mapping[str, Sequence[str]]) -> str:
    """The value of a claim. Several equal ones are one."""
    values = set(claims.get(name, ()))
    if not any(value.strip() for value in values):
        found = "is empty" if name in claims else "is missing"
        raise _NotClear("denied_missing_claim", f"the claim {name} {found}; there were: {_listed(claims)}")
    if len(values) > 1:
        raise _NotClear("denied_ambiguous_claim", f"the claim {name} has {len(values)} values, and one is wanted")
    return values.pop()


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(name if name.isprintable() else repr(name) for name in sorted(names)) or "none"
    return text if len(text) <= LONGEST_LIST else f"{text[:LONGEST_LIST]} ..."


# who is let in


@dataclass(frozen=True, slots=True)
class _Person:
    user: User
    claims: Mapping[str, Sequence[str]]
    address: str

    def fits(self, rule: PeopleConfig, unknown: bool) -> bool:
        """`unknown`: whether an address that is none fits any network."""
        return (
            (not rule.users or any(self._is(pattern) for pattern in rule.users))
            and all(_any_like(patterns, self.claims.get(claim, ())) for claim, patterns in rule.claims.items())
            and (not rule.networks or within(self.address.partition("%")[0], rule.networks, unknown))
        )

    def _is(self, pattern: str) -> bool:
        return like(pattern, str(self.user) if "\\" in pattern else self.user.id)


def _judged(person: _Person, who: WhoConfig, why: list[str]) -> Denied | None:
    """`deny` wins over `allow`, that over `otherwise`."""
    denied = next((rule for rule in who.deny if person.fits(rule, True)), None)
    if denied is not None:
        text = f"{person.user} is not let in by deny: {_words(denied)}"
        return Denied("denied_by_rule", text, (*why, text))
    allowed = next((rule for rule in who.allow if person.fits(rule, False)), None)
    if allowed is None and not who.lets_others_in:
        text = f"{person.user} fits no rule of allow; the claims were: {_listed(person.claims)}"
        return Denied("denied_by_default", text, (*why, text))
    why.append(f"let in by allow: {_words(allowed)}" if allowed else "let in: no rule says otherwise")
    return None


def _words(rule: PeopleConfig) -> str:
    said = [f"users {', '.join(rule.users)}"] if rule.users else []
    said += [f"{claim} {', '.join(patterns)}" for claim, patterns in rule.claims.items()]
    said += [f"networks {', '.join(map(str, rule.networks))}"] if rule.networks else []
    return " and ".join(said)


def _any_like(patterns: Sequence[str], values: Iterable[str]) -> bool:
    return any(like(pattern, value) for value in values for pattern in patterns)


def like(pattern: str, text: str) -> bool:
    """Whether all of the text is like the pattern, in which * stands for anything; case does not count. Its cost is
    that of finding each piece once."""
    first, *pieces = same(pattern).split("*")
    rest = same(text)
    if not pieces:
        return first == rest
    *between, last = pieces
    if not rest.startswith(first) or not rest.endswith(last) or len(rest) < len(first) + len(last):
        return False
    position, end = len(first), len(rest) - len(last)
    for piece in between:
        position = rest.find(piece, position, end)
        if position < 0:
            return False
        position += len(piece)
    return True


# attributes


@dataclass(slots=True)
class _Attributes:
    claims: Mapping[str, Sequence[str]]
    why: list[str]
    cut: list[str] = field(default_factory=list)

    def of(self, rules: Sequence[AttributeConfig]) -> Iterator[tuple[str, str]]:
        for rule in rules:
            values = list(dict.fromkeys(self._values(rule)))
            self.why.append(f"attribute {rule.name}: {len(values)} values of {', '.join(rule.claim)}")
            yield from ((rule.name, value) for value in values)

    def _values(self, rule: AttributeConfig) -> Iterator[str]:
        for value in (value for claim in rule.claim for value in self.claims.get(claim, ())):
            if rule.keep and not _any_like(rule.keep, [value]):
                continue
            made = (cn_of(value) if rule.take == "cn" else value).removeprefix(rule.cut or "")
            made = normal(rule.rename.get(made, made))
            if usable_value(made):
                yield made
            else:
                self.cut.append(f"{rule.name}={made!r}: empty, or with a ; or a control character")
