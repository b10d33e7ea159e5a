"""The folder `web`: what is in it, how its weights are held, and that nothing bad is written."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest

from sketch_rnn_tf import ondevice, runs
from sketch_rnn_tf.commands import export
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.litert import exporter as litert
from sketch_rnn_tf.export.litert.graphs import Graphs
from sketch_rnn_tf.export.web import exporter, joining, model_file, weights

FILES = {"index.html", "sketch_rnn.js", "sketch_rnn.d.ts", "model.bin"}


def test_the_command_writes_a_page_and_a_module(tmp_path, capsys):
    arguments = ["--model", "pretrained:kanji", "--output_dir", str(tmp_path), "--format", "web"]
    assert export.run(arguments) == 0
    folder = tmp_path / "web"
    assert capsys.readouterr().out.strip() == str(folder)
    assert {path.name for path in folder.iterdir()} == FILES
    page = (folder / "index.html").read_text("utf-8")
    assert page.count("<script") == 4
    assert "src=" not in page  # all in one file
    facts, tensors = model_file.unpack((folder / "model.bin").read_bytes(), "model.bin")
    assert facts["decoder"]["units"] == 320
    assert facts["extent"] == 109  # KanjiVG's characters stand in squares of 109
    assert sum(tensor.size for tensor in tensors.values()) == facts["num_parameters"]
    assert export.run(arguments) == 1
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert export.run([*arguments, "--web_weights", "int4", "--overwrite"]) == 2
    assert "int8" in capsys.readouterr().err


def test_the_types_declare_what_the_module_exports():
    exported = re.search(r"^export \{ (.+) \};$", exporter.runtime(), re.MULTILINE)[1].split(", ")
    types = (exporter.pages.SOURCES / "runtime" / "sketch_rnn.d.ts").read_text("utf-8")
    declared = re.findall(r"^export (?:class|function) (\w+)", types, re.MULTILINE)
    assert sorted(exported) == sorted(declared)


def test_precisions_take_four_two_and_one_bytes(make_run, tmp_path):
    run = runs.open_run("pretrained:kanji")
    model = run.load_model()
    sizes = {name: len(exporter.pack(run, model, name)) for name in model_file.WEIGHTS}
    count = model.count_params()
    assert sizes["float32"] == pytest.approx(4 * count, rel=0.01)
    assert sizes["float16"] == pytest.approx(2 * count, rel=0.01)
    assert sizes["int8"] == pytest.approx(count, rel=0.1)
    with pytest.raises(UserError, match="there are no weights in 'int4'"):
        exporter.pack(run, model, "int4")


def test_the_paper_is_the_canvas_that_complete_goes_by_or_as_large_as_drawings(make_run):
    run = make_run("latent")
    model = run.load_model()
    assert exporter.describe(run, model)["extent"] == 255  # Quick, Draw!'s simplification
    for canvas in (24.0, None):
        own = dataclasses.replace(run.config, canvas=canvas, simplification={"method": "none"})
        found = exporter.describe(dataclasses.replace(run, config=own), model)["extent"]
        assert found == canvas if canvas else 12.5 < found < 1250


def test_a_weight_too_large_for_half_precision_is_refused():
    tensors = {"a": np.float32([[1e6]])}
    with pytest.raises(UserError, match="a holds a weight too large for float16"):
        model_file.pack({"num_mixtures": 1}, tensors, "float16")


@pytest.mark.parametrize("precision", model_file.WEIGHTS)
def test_a_bias_that_hardly_learned_yet_is_written(make_run, precision):
    run = make_run("latent")
    model = run.load_model()
    bias = model.decoder.cell.bias
    bias.assign(np.linspace(-1e-6, 1e-6, bias.shape[0]))
    _, read = model_file.unpack(exporter.pack(run, model, precision), "model.bin")
    expected = weights.tensors(model)["decoder.cell.bias"]
    np.testing.assert_allclose(read["decoder.cell.bias"], expected, rtol=0, atol=2.0**-25)


def test_a_file_is_read_back_as_it_was_packed():
    generator = np.random.default_rng(0)
    tensors = {
        "decoder.output": generator.normal(size=(27, 60)).astype(np.float32),
        "matrix": generator.normal(size=(7, 50)).astype(np.float32),
        "vector": generator.normal(size=9).astype(np.float32),
    }
    for precision, limit in {"float32": 0, "float16": 2e-3, "int8": 0.02}.items():
        data = model_file.pack({"num_mixtures": 4, "name": "ä"}, tensors, precision)
        facts, read = model_file.unpack(data, "x")
        assert (facts["weights"], facts["name"]) == (precision, "ä")
        for name, expected in tensors.items():
            np.testing.assert_allclose(read[name], expected, rtol=0, atol=limit)
    np.testing.assert_array_equal(read["vector"], tensors["vector"])
    means = slice(7, 15)  # of the components, which int8 would hold too coarsely
    np.testing.assert_allclose(
        read["decoder.output"][means], tensors["decoder.output"][means], rtol=1e-3
    )


@pytest.mark.large
def test_half_weights_draw_what_the_half_tflite_draws(make_run, web_folder, in_node, tmp_path):
    run = make_run("latent")
    _same_as_tflite(run, run.load_model(), "float16", web_folder("latent", "float16"), in_node)


@pytest.mark.large
def test_int8_weights_draw_what_a_tflite_of_these_weights_draws(web_folder, in_node):
    run = runs.open_run("pretrained:kanji")
    model, folder = run.load_model(), web_folder(run, "int8")
    _, rounded = model_file.unpack((folder / "model.bin").read_bytes(), "model.bin")
    cells = {
        "decoder.cell": model.decoder.cell,
        "encoder.forward": model.encoder.forward_cell,
        "encoder.backward": model.encoder.backward_cell,
    }
    for name, cell in cells.items():
        parts = [
            rounded[f"{name}.{part}"]
            for part in ("point", "context")
            if f"{name}.{part}" in rounded
        ]
        cell.kernel.assign(np.concatenate(parts, axis=1).T)
        cell.recurrent_kernel.assign(rounded[f"{name}.recurrent_kernel"].T)
    layers = {
        "decoder.output": model.decoder.output_layer,
        "decoder.initial": model.decoder.state_layer,
        "encoder.mean": model.encoder.mean,
        "encoder.log_var": model.encoder.log_var,
    }
    for name, layer in layers.items():
        layer.kernel.assign(rounded[name].T)
    for name, tensor in weights.tensors(model).items():
        np.testing.assert_array_equal(tensor, rounded[name])
    _same_as_tflite(run, model, "float32", folder, in_node)


def _same_as_tflite(run, model, variant, folder, in_node):
    """Compares drawings of the web export with those of a .tflite file of the same weights."""
    graphs = Graphs(
        model, run.config.scale_factor, run.config.start_token, run.config.temperature_mode
    )
    path = folder / f"{variant}.tflite"
    path.write_bytes(litert.convert(graphs, variant, litert.describe(run, graphs)))
    options = {"num": 8, "seed": 4, "temperature": 0.5}
    (found,) = in_node(folder, [{"verb": "generate", "arguments": [options]}])
    scale = run.config.scale_factor
    for ours, theirs in zip(found, ondevice.open(path).generate(**options), strict=True):
        rows = np.asarray(theirs)
        assert np.shape(ours["strokes"]) == rows.shape
        np.testing.assert_array_equal(np.array(ours["strokes"])[:, 2], rows[:, 2])
        np.testing.assert_allclose(ours["strokes"], rows, rtol=0, atol=1e-3 * scale)


def test_modules_are_joined_in_the_order_of_their_imports(tmp_path, node):
    (tmp_path / "a.js").write_text("export const one = 1;\n")
    (tmp_path / "b.js").write_text(
        'import { one } from "./a.js";\n\nexport function two() {\n  return 2 * one;\n}\n'
    )
    (tmp_path / "c.js").write_text(
        'import {\n  one,\n} from "./a.js";\nimport { two } from "./b.js";\n'
        "export class C {\n  static three = one + two();\n}\n"
    )
    joined = joining.module(tmp_path / "c.js", ["C"], "// head")
    (tmp_path / "joined.mjs").write_text(joined)
    script = 'import { C } from "./joined.mjs"; console.log(C.three);'
    (tmp_path / "run.mjs").write_text(script)
    assert node(tmp_path / "run.mjs").strip() == "3"
    assert joined.startswith("// head\n")


def test_a_part_that_would_end_its_element_is_a_bug():
    with pytest.raises(ValueError, match="x cannot stand in the page"):
        joining.filled("<script>/* x */</script>", {"x": "'</script>'"})
    with pytest.raises(ValueError, match="y cannot stand in the page"):
        joining.filled("<script></script>", {"y": ""})


@pytest.mark.large
def test_the_types_fit_what_users_write(web_folder, tmp_path):
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("needs npx (Node.js)")
    folder = web_folder("classes")
    (tmp_path / "use.ts").write_text(
        f"""import {{ load, Noise, nextPoint, SketchError }} from "{folder}/sketch_rnn.js";
import type {{ Sketch }} from "{folder}/sketch_rnn.js";
async function draw(): Promise<Sketch[]> {{
  const m = await load("model.bin", {{ temperatureMode: "paper" }});
  const [one] = m.generate({{ seed: 1, temperature: {{ pen: 0.3 }}, label: "fish" }});
  for (const [dx, dy, lifted] of m.points({{ begun: one, copy: 2 }})) console.log(dx + dy + lifted);
  const z: Float64Array[] = m.encode([one.strokes], {{ label: m.classes }});
  m.interpolate([z[0], one], {{ steps: 5, interpolation: "linear" }});
  nextPoint(new Float32Array(9), new Noise([1, 2]).at(0), [1, 1, 1], m.temperatureMode);
  const x: number = m.next(one).components[0].x;
  if (!m.conditional) throw new SketchError(`${{x}} ${{m.facts.max_length}}`);
  return m.complete([one], {{ num: 3, sampleZ: true }});
}}
// @ts-expect-error: there is no such option
draw().then(([one]) => load("x", {{ mode: one.ended }}));
"""
    )
    command = [npx, "--yes", "--package", "typescript@5.9.3", "tsc", "--noEmit", "--strict"]
    done = subprocess.run(
        [*command, "--target", "es2022", "--module", "nodenext", "use.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "npm error" in done.stderr:
        pytest.skip("needs typescript from npm, which cannot be had here")
    assert done.returncode == 0, done.stdout
