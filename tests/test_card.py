"""Heads of model cards are the YAML that Hugging Face documents."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from sketch_rnn_tf import card

KANJI = pathlib.Path(card.__file__).parent / "pretrained" / "kanji" / "MODEL.md"


def _read(text: str) -> dict:
    assert text.startswith("---\n")
    return yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        (["CC-BY-SA-3.0"], {"license": "cc-by-sa-3.0"}),
        (["MIT", "MIT"], {"license": "mit"}),
        (["MIT", "ISC"], {"license": "other", "license_name": "isc and mit"}),
        (["Home: made"], {"license": "other", "license_name": "home: made"}),
        (["MIT", None], {}),
        ([], {}),
    ],
)
def test_a_license_is_told_where_all_are_known(licenses, expected):
    head = _read(card.head("m", licenses))
    assert {key: head[key] for key in head if key.startswith("license")} == expected


def test_measures_are_a_model_index():
    head = _read(card.head('my "model"', ["MIT"], {"kid": 0.25, "cost": -1.0}, "fish: small"))
    (model,) = head["model-index"]
    assert model["name"] == 'my "model"'
    (result,) = model["results"]
    assert result["dataset"] == {"name": "fish: small", "type": "fish: small", "split": "test"}
    assert result["metrics"] == [{"type": "kid", "value": 0.25}, {"type": "cost", "value": -1.0}]


def test_a_card_with_a_head_keeps_it():
    text = KANJI.read_text("utf-8")
    assert card.with_head(text, "kanji") == text
    assert _read(text)["license"] == "cc-by-sa-3.0"
    assert _read(card.with_head("# Hello\n", "x"))["library_name"] == "keras"


@pytest.mark.parametrize("licenses", [["MIT"], ["MIT", "ISC"], ["Home: made"], []])
def test_the_license_of_a_head_is_read_back(licenses):
    head = card.head("m", licenses)
    read = _read(head)
    assert card.license_of(head) == read.get("license_name", read.get("license"))
    assert card.license_of("# no head\nlicense: mit\n") is None
