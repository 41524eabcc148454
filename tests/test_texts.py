"""The tables of texts: each language says all of it, and nothing else."""

import re

import pytest

from qproxy.auth import Reason
from qproxy.errors import Blame, Failure
from qproxy.texts import TABLES, in_language

ENGLISH = TABLES["en"]
MAY_BE_EMPTY = {"footer", "support"}
"""What only an operator can fill in."""
every_language = pytest.mark.parametrize("language", TABLES)


@every_language
def test_every_language_has_a_text_for_every_word_and_no_other(language: str) -> None:
    assert sorted(TABLES[language]) == sorted(ENGLISH)
    assert {word for word, text in TABLES[language].items() if not text.strip()} == MAY_BE_EMPTY


@every_language
def test_every_text_has_the_places_of_the_english_one_and_they_are_filled(language: str) -> None:
    places = {word: set(re.findall(r"\{[^}]*\}", text)) for word, text in TABLES[language].items()}
    assert places == {word: set(re.findall(r"\{[^}]*\}", text)) for word, text in ENGLISH.items()}
    assert not [text for text in in_language(language).table.values() if "{" in text or "}" in text]


@every_language
def test_no_text_is_markup_or_has_stray_blanks(language: str) -> None:
    for word, text in TABLES[language].items():
        assert not set(text) & set("<>&\n\t"), word
        assert "  " not in text, word
        assert text == text.strip() or word == "error_prefix", word


def test_nothing_is_left_in_english() -> None:
    same = {
        f"{language} {word}"
        for language, table in TABLES.items()
        for word, text in table.items()
        if language != "en" and text == ENGLISH[word] and word not in MAY_BE_EMPTY
    }
    alike = {"es error_prefix"}
    assert same == {f"{language} product" for language in TABLES if language != "en"} | alike


def test_there_is_a_text_for_every_reason_and_failure() -> None:
    wanted = {reason.value for reason in Reason} | {f"sentence_{failure.word}" for failure in Failure}
    wanted |= {f"{kind}_{blame}" for kind in ("title", "advice") for blame in Blame}
    assert wanted <= ENGLISH.keys()


def test_there_is_no_text_for_a_failure_that_does_not_exist() -> None:
    known = {failure.word for failure in Failure} | {blame.value for blame in Blame}
    told = {word.partition("_")[2] for word in ENGLISH if word.startswith(("title_", "advice_", "sentence_"))}
    assert told <= known


def test_the_product_is_called_what_the_operator_calls_it() -> None:
    texts = in_language("de", {"product": "Zahlen {product}"})
    assert texts["logout_question"] == "Möchten Sie sich von Zahlen {product} abmelden?"


def test_what_is_no_word_of_the_table_is_said_as_it_is() -> None:
    texts = in_language("sv")
    assert (texts.say("password"), texts.say("Your badge number")) == ("Lösenord", "Your badge number")
