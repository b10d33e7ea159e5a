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
