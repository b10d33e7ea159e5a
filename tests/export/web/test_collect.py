"""The page to collect drawings: what is drawn there, `sketch-rnn-prepare` reads."""

from __future__ import annotations

import json

import pytest
from browser import line, ring

from data_prep import prepare
from sketch_rnn_tf.commands import collect
from sketch_rnn_tf.data import dataset


@pytest.fixture(scope="module")
def collecting(tmp_path_factory):
    """Returns a page for three classes, one of them a name that HTML could trip over."""
    path = tmp_path_factory.mktemp("collect") / "collect.html"
    assert collect.run(["--classes", "fish,umbrella,</script>&", "--output", str(path)]) == 0
    return path


@pytest.mark.large
def test_what_is_drawn_becomes_a_data_set(page, collecting, tmp_path):
    page.open(collecting)
    page.run("localStorage.clear()")
    page.open(collecting)
    asked = []
    for number in range(9):
        asked.append(page.text("#word"))
        page.draw(".paper", line((0.2, 0.3), (0.8, 0.3 + number / 50)))
        page.draw(".paper", ring((0.5, 0.6), 0.15 + number / 100))
        page.click("#keep")
    assert asked == ["fish", "umbrella", "</script>&"] * 3
    counts = [row.text.split() for row in page.all("#counts tr")]
    assert counts == [["fish", "3"], ["umbrella", "3"], ["</script>&", "3"]]
    path = page.saved("#download", "drawings.ndjson")
    records = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    assert [record["word"] for record in records] == asked
    x, y, t = records[0]["drawing"][0]
    assert len(x) == len(y) == len(t) > 3
    assert t == sorted(t)
    assert t[0] == 0
    output = tmp_path / "data"
    assert prepare.run(["--input", str(path), "--output_dir", str(output)]) == 0
    info = dataset.read_info(output)
    assert info.classes == ["</script>&", "fish", "umbrella"]
    assert sum(info.num_sketches(split) for split in dataset.SPLITS) == 9


@pytest.mark.large
def test_drawings_outlive_the_page_and_can_be_taken_back(page, collecting):
    page.open(collecting)
    page.run("localStorage.clear()")
    page.open(collecting)
    page.draw(".paper", line((0.2, 0.3), (0.8, 0.3)))
    page.draw(".paper", line((0.2, 0.5), (0.8, 0.5)))
    page.click("#undo")
    page.click("#keep")
    page.click("#skip")
    assert page.text("#word") == "</script>&"
    page.open(collecting)
    assert [row.text.split()[1] for row in page.all("#counts tr")] == ["1", "0", "0"]
    path = page.saved("#download", "drawings.ndjson")
    (record,) = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    assert len(record["drawing"]) == 1
    page.click("#takeback")
    assert not page.find("#download").is_enabled()


@pytest.mark.large
def test_a_full_storage_has_a_sentence(page, collecting):
    page.open(collecting)
    page.run("Storage.prototype.setItem = () => { throw new DOMException('full'); }")
    page.draw(".paper", line((0.2, 0.3), (0.8, 0.3)))
    page.click("#keep")
    page.wait_for("The browser keeps no more: download the drawings")


@pytest.mark.large
def test_the_page_to_collect_with_fits_a_phone(page, collecting):
    page.screen(360, 720, phone=True)
    page.open(collecting)
    assert page.run("return document.documentElement.scrollWidth") == 360
    page.draw(".paper", line((0.2, 0.3), (0.8, 0.3)), "touch")
    assert page.find("#keep").is_enabled()


BAD = {
    "--classes is required": ["--output", "x.html"],
    "--output is x.txt, expected a name that ends in .html": [
        *("--classes", "fish"),
        *("--output", "x.txt"),
    ],
    "--classes has 'fish' twice": ["--classes", "fish,fish", "--output", "x.html"],
    "--classes has ''": ["--classes", "fish,", "--output", "x.html"],
    "did you mean --classes?": ["--class", "fish"],
}


@pytest.mark.parametrize("sentence", BAD)
def test_a_wrong_command_line_has_a_sentence(sentence, capsys):
    assert collect.run(BAD[sentence]) == 2
    assert sentence in capsys.readouterr().err


def test_a_page_is_not_replaced_by_accident(collecting, capsys):
    arguments = ["--classes", "fish", "--output", str(collecting)]
    assert collect.run(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert "umbrella" in collecting.read_text("utf-8")
