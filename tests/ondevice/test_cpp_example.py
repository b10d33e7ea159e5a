"""The C++ example builds against the library of the ai-edge-litert wheel and draws the same."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from sketch_rnn_tf import ondevice
from sketch_rnn_tf.ondevice import noise

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "cpp" / "draw.cc"


@pytest.mark.large
@pytest.mark.parametrize("name", ["step.tflite", "model.tflite"])
def test_the_cpp_example_draws_the_same_sketch(litert_files, tmp_path, name):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    import ai_edge_litert

    library = pathlib.Path(ai_edge_litert.__path__[0])
    if not (library / "libLiteRt.so").is_file():
        pytest.skip("this ai-edge-litert wheel holds no libLiteRt.so")
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror"]
    link = [f"-L{library}", "-lLiteRt", f"-Wl,-rpath,{library}"]
    program = tmp_path / "draw"
    subprocess.run([compiler, *options, SOURCE, "-o", program, *link], check=True)

    z, numbers = np.float32([0.5, -1, 2]), noise.noise((3, 3), 30)
    numbers[:, 1] *= 0.5  # few ends, a long drawing
    lines = ["z " + " ".join(map(repr, z.tolist()))]
    lines += [" ".join(map(repr, row)) for row in numbers.tolist()]
    done = subprocess.run(
        [program, litert_files / name, "0.7"],
        input="\n".join(lines), capture_output=True, text=True, check=True,
    )  # fmt: skip
    drawn = np.array([line.split() for line in done.stdout.splitlines()], np.float32)
    sampler = ondevice.open(litert_files / name)
    expected = sampler.generate(1, z=z[None], noise=numbers[None], temperature=0.7)[0]
    assert len(expected) > 3
    np.testing.assert_allclose(drawn, expected.strokes, atol=5e-3)
