"""--trace where the extra [trace] is not installed."""

from __future__ import annotations

import sys

from PIL import Image, ImageDraw

from data_prep import conversion, prepare


def test_tracing_without_scikit_image_names_what_to_install(tmp_path, monkeypatch, capsys):
    picture = Image.new("L", (60, 60), 255)
    ImageDraw.Draw(picture).line((10, 10, 50, 40), fill=0, width=3)
    picture.save(tmp_path / "line.png")
    for name in [n for n in sys.modules if n.partition(".")[0] == "skimage"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "skimage", None)  # what import finds is that there is none
    monkeypatch.delitem(sys.modules, "data_prep.conversion.tracing", raising=False)
    monkeypatch.delattr(conversion, "tracing", raising=False)
    arguments = [f"--input={tmp_path}/line.png", f"--output_dir={tmp_path}/data", "--workers=1"]

    assert prepare.run([*arguments, "--trace"]) == 1

    error = capsys.readouterr().err
    assert "--trace needs scikit-image: pip install 'sketch-rnn-tf[trace]'" in error
    assert "Traceback" not in error
