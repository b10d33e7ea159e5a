import re

from sketch_rnn_tf import config, runs
from sketch_rnn_tf.data.dataset import DatasetInfo
from sketch_rnn_tf.training import model_card


def test_sources_of_one_license_stand_in_one_row_and_the_first_are_named(tmp_path):
    sources = [{"path": f"part-{i}.ndjson", "license": "CC-BY-4.0"} for i in range(190)]
    sources += [{"path": "mine.svg"}]
    info = DatasetInfo(
        classes=["fish"],
        splits={"train": {"num_sketches": 9}},
        max_length=5,
        scale_factor=1.0,
        shards=[],
        sources=sources,
    )
    run = runs.Run(tmp_path, config.RunConfig(scale_factor=1.0, max_length=5))
    model_card.write(run, info, None, 7, 3)
    rows = re.findall(
        r"^\| (.*?) \| (.*?) \| not known \|$", (tmp_path / "MODEL.md").read_text(), re.M
    )
    assert [row[1] for row in rows] == ["CC-BY-4.0", "not known"]
    assert "part-0.ndjson, part-1.ndjson" in rows[0][0]
    assert rows[0][0].endswith("and 185 more")
    assert rows[1][0] == "mine.svg"


def _card(folder, licenses, initial, class_conditioned=False) -> str:
    info = DatasetInfo(
        classes=["fish", "house"], splits={"train": {"num_sketches": 9}}, max_length=5,
        scale_factor=1.0, shards=[],
        sources=[{"path": "mine.svg", "license": license_} for license_ in licenses],
    )  # fmt: skip
    model = config.ModelConfig(class_conditioned=class_conditioned)
    run = runs.Run(folder, config.RunConfig(scale_factor=1.0, max_length=5, model=model))
    model_card.write(run, info, None, 7, 3, initial)
    return (folder / "MODEL.md").read_text()


def test_the_weights_it_started_from_are_a_source_with_their_license(tmp_path):
    text = _card(tmp_path, ["CC0-1.0"], runs.open_run("pretrained:kanji"))
    assert "| weights of kanji | cc-by-sa-3.0 | not known |" in text
    assert 'license_name: "cc-by-sa-3.0 and cc0-1.0"' in text.split("---")[1]
    unknown = runs.Run(tmp_path / "nowhere", config.RunConfig(scale_factor=1.0, max_length=5))
    text = _card(tmp_path, ["CC0-1.0"], unknown)
    assert "| weights of nowhere | not known | not known |" in text
    assert "license" not in text.split("---")[1]


def test_the_command_of_a_card_names_classes_where_it_has_to(tmp_path):
    assert "--num 16" in _card(tmp_path, [], None)
    assert "--class" not in _card(tmp_path, [], None)
    assert "--class all --num 16" in _card(tmp_path, [], None, class_conditioned=True)
