"""What `sketch-rnn-export` refuses before it has published anything."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sketch_rnn_tf import runs
from sketch_rnn_tf.commands import export


@pytest.mark.parametrize("form", ["litert", "run"])
def test_a_folder_that_is_there_is_refused_before_a_version_is_published(
    tiny_run, tmp_path, capsys, form
):
    (tmp_path / form).mkdir()
    words = ["--model", str(tiny_run()), "--output_dir", str(tmp_path)]
    assert export.run([*words, f"--format=saved_model,{form}"]) == 1
    assert f"{tmp_path / form}: exists already; --overwrite replaces it" in capsys.readouterr().err
    assert not (tmp_path / "saved_model").exists()


def test_what_javascript_cannot_run_is_refused_before_tensorflow_is_there(
    tiny_run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(runs.Run, "load_model", None)
    words = ["--model", str(tiny_run()), "--output_dir", str(tmp_path), "--format=magenta_js"]
    assert export.run(words) == 1
    assert "needs 20 mixture components, this model has 3" in capsys.readouterr().err


def test_forms_are_printed_in_the_order_asked_for(tiny_run, tmp_path, capsys):
    words = ["--model", str(tiny_run()), "--output_dir", str(tmp_path)]
    assert export.run([*words, "--format=saved_model,run"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / "saved_model" / "1"), str(tmp_path / "run")]
    assert [line for line in err.splitlines() if line.startswith("writing")] == [
        "writing run",
        "writing saved_model",
    ]


def test_weights_that_are_no_numbers_are_not_published(tiny_run, tmp_path, capsys):
    path = tiny_run()
    model = runs.open_run(path).load_model()
    bias = model.decoder.output_layer.bias
    bias.assign(np.where(np.arange(bias.shape[0]) == 3, np.nan, np.asarray(bias)))
    model.save(path / runs.BEST)
    keras.backend.clear_session()
    assert export.run(["--model", str(path), "--output_dir", str(tmp_path / "out")]) == 1
    assert "output/bias holds non-finite numbers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
