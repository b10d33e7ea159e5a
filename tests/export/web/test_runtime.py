"""JavaScript beside Python: the same numbers, the same drawings."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import tensorflow as tf

import sketch_rnn_tf
from sketch_rnn_tf import strokes
from sketch_rnn_tf.ondevice import noise

WHOLE = 1e-3  # normalized units over a drawing
STEP = 1e-5  # of the raw numbers of a step
SLOW = {"hyper", "hyper_latent", "latent"}
KINDS = ["decoder", "latent", "classes", "hyper", "hyper_latent", "stacked"]
EACH_KIND = [
    pytest.param(kind, marks=[pytest.mark.large] if kind in SLOW else []) for kind in KINDS
]
BEGUN = np.float32([[0, 0, 0], [10, 4, 0], [3, -20, 1], [-8, 5, 0], [12.5, 3, 0]])
OTHER = np.float32([[0, 0, 0], [-9, 14, 0], [2, 30, 0], [-1, 5, 1]])


@pytest.fixture(scope="module")
def sketcher(make_run):
    """Returns a function from a kind to its Sketcher in Python."""
    made = {}

    def load(kind):
        if kind not in made:
            made[kind] = sketch_rnn_tf.load_model(make_run(kind).path)
        return made[kind]

    return load


def _same(found, expected, scale):
    """Compares drawings of JavaScript with Python's."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        rows = np.asarray(theirs)
        assert np.shape(ours["strokes"]) == rows.shape
        assert ours["ended"] == theirs.ended
        assert ours["label"] == theirs.label
        np.testing.assert_array_equal(np.array(ours["strokes"])[:, 2], rows[:, 2])
        np.testing.assert_allclose(ours["strokes"], rows, rtol=0, atol=WHOLE * scale)


def _classes(kind):
    return {"label": "fish"} if kind in ("classes", "hyper", "stacked") else {}


def _javascript(options):
    names = {"max_points": "maxPoints", "sample_z": "sampleZ"}
    return {names.get(name, name): value for name, value in options.items()}


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_seed_is_the_same_drawing_as_in_python(kind, sketcher, web_folder, in_node):
    python, given = sketcher(kind), _classes(kind)
    parts = {"pen": 0.3, "mixture": 0.6, "offset": [0.2, 0.5, 0.9]}
    calls = [
        ("generate", [], {"num": 3, "seed": 7, "temperature": 0.7, **given}),
        ("generate", [], {"num": 3, "seed": -5, "temperature": parts, "max_points": 9, **given}),
        ("generate", [], {"num": 1, "greedy": True, **given}),
        ("complete", [[BEGUN, OTHER]], {"num": 2, "seed": 11, **given}),
    ]
    if python.conditional:
        calls += [
            ("reconstruct", [[BEGUN, OTHER]], {"seed": 2, "temperature": [0.2, 1.0], **given}),
            ("reconstruct", [[OTHER]], {"seed": 2, "sample_z": True, **given}),
            ("complete", [[OTHER]], {"sample_z": True, "seed": 2**31 - 1, **given}),
            ("interpolate", [[BEGUN, OTHER]], {"steps": 3, "seed": 4, **given}),
            (
                "interpolate",
                [[BEGUN, OTHER]],
                {"steps": 4, "interpolation": "linear", **given},
            ),
        ]
    requests = [
        {"verb": verb, "arguments": [*_lists(arguments), _javascript(options)]}
        for verb, arguments, options in calls
    ]
    found = in_node(web_folder(kind), requests)
    for (verb, arguments, options), drawn in zip(calls, found, strict=True):
        assert "error" not in drawn, (verb, drawn)
        _same(drawn, getattr(python, verb)(*arguments, **options), python.config.scale_factor)
    assert sum(len(sketch["strokes"]) for drawn in found for sketch in drawn) > 100


def _lists(arguments):
    return [[rows.tolist() for rows in drawings] for drawings in arguments]


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_step_gives_the_same_raw_numbers(kind, make_run, web_folder, in_node):
    model = make_run(kind).load_model()
    rows = strokes.stroke3_to_stroke5(BEGUN, len(BEGUN))
    rows[:, :2] /= 12.5
    z = np.random.default_rng(1).normal(size=(1, 5)).astype(np.float32)
    label = np.int32([1]) if model.num_classes else None
    context = model.context(tf.constant(z) if model.conditional else None, label)
    states, expected = model.decoder.initial_state(1, context), []
    for row in rows:
        raw, states = model.decoder.step(tf.constant(row[None]), states, context)
        expected.append(np.asarray(raw)[0])
    request = {"rows": rows.tolist(), "label": None if label is None else 1}
    request["z"] = z[0].tolist() if model.conditional else None
    (found,) = in_node(web_folder(kind), [{"raw": request}])
    np.testing.assert_allclose(found, expected, rtol=0, atol=STEP)


@pytest.mark.parametrize("kind", ["classes", pytest.param("hyper_latent", marks=pytest.mark.large)])
def test_a_drawing_has_the_same_latent_vector(kind, sketcher, web_folder, in_node):
    given = _classes(kind)
    request = {"verb": "encode", "arguments": [*_lists([[BEGUN, OTHER]]), given]}
    (found,) = in_node(web_folder(kind), [request])
    np.testing.assert_allclose(
        found, sketcher(kind).encode([BEGUN, OTHER], **given), rtol=0, atol=STEP
    )


def test_points_come_one_by_one_and_make_the_same_drawings(web_folder, in_node):
    begun = BEGUN.tolist()
    options = {"seed": 3, "temperature": 0.8, "label": "bird"}
    whole, by_point, continued, rest = in_node(
        web_folder("classes"),
        [
            {"verb": "generate", "arguments": [options]},
            {"verb": "points", "arguments": [options]},
            {"verb": "complete", "arguments": [[begun], {**options, "num": 3}]},
            {"verb": "points", "arguments": [{**options, "begun": begun, "copy": 2}]},
        ],
    )
    assert by_point["strokes"] == whole[0]["strokes"]
    assert by_point["ended"] == whole[0]["ended"]
    assert [*begun, *rest["strokes"]] == continued[2]["strokes"]
    assert continued[2]["given"] == len(begun)


def test_a_temperature_mode_can_be_chosen(sketcher, web_folder, in_node):
    options = {"seed": 3, "temperature": 0.6}
    python = sketcher("decoder")
    modes = ["paper", "magenta", "javascript"]
    found = in_node(
        web_folder("decoder"),
        [
            {"verb": "generate", "arguments": [options], "settings": {"temperatureMode": mode}}
            for mode in modes
        ],
    )
    for mode, drawn in zip(modes, found, strict=True):
        other = python.with_settings(temperature_mode=mode)
        _same(drawn, other.generate(1, **options), python.config.scale_factor)


def test_noise_of_the_caller_is_used(sketcher, web_folder, in_node):
    numbers = noise.noise((99, 4), 40)[None]
    request = {"verb": "generate", "arguments": [{"noise": numbers.tolist(), "seed": 1}]}
    (found,) = in_node(web_folder("decoder"), [request])
    python = sketcher("decoder")
    _same(found, python.generate(1, noise=numbers), python.config.scale_factor)


def test_an_empty_drawing_is_drawn_again_with_the_next_seeds(make_run, web_folder, in_node):
    """The rule: seeds (a + attempt 0x3504F333, b), wrapping, until something is drawn."""
    hasty = {"pen": 60.0, "mixture": 1.0, "offset": 1.0}  # one in three ends at once
    seeds = [[2**31 - 5, i] for i in range(12)]
    options = {"num": 12, "seed": seeds, "temperature": hasty}
    folder = web_folder("decoder")
    request = {"verb": "generate", "arguments": [{**options, "keepEmpty": True}]}
    again = {"verb": "generate", "arguments": [options]}
    raw, found = in_node(folder, [request, again])
    empty = [i for i, sketch in enumerate(raw) if len(sketch["strokes"]) <= 1 and sketch["ended"]]
    assert 2 <= len(empty) < 12
    assert all(len(sketch["strokes"]) > 1 for sketch in found)
    attempts = [_row(seeds[i], attempt) for i in empty for attempt in range(17)]
    request["arguments"][0] |= {"seed": attempts, "num": len(attempts)}
    (by_hand,) = in_node(folder, [request])
    for i, sketch in enumerate(found):
        if i not in empty:
            assert sketch == raw[i]
            continue
        begin = 17 * empty.index(i)
        first = next(s for s in by_hand[begin : begin + 17] if len(s["strokes"]) > 1)
        assert sketch == first


def test_python_draws_empty_drawings_again_in_the_same_way(sketcher, web_folder, in_node):
    options = {"num": 12, "seed": 2**31 - 5, "temperature": {"pen": 60.0, "mixture": 1.0}}
    for kind in ("decoder", "classes"):
        request = {"verb": "generate", "arguments": [{**options, **_classes(kind)}]}
        (found,) = in_node(web_folder(kind), [request])
        python = sketcher(kind)
        _same(found, python.generate(**options, **_classes(kind)), python.config.scale_factor)


def _row(seeds, attempt):
    first = (seeds[0] + attempt * 0x3504F333) & 0xFFFFFFFF
    return [int(np.uint32(first).view(np.int32)), seeds[1]]


def test_the_next_point_is_said_as_a_mixture_in_source_units(make_run, web_folder, in_node):
    from sketch_rnn_tf.model import next_point

    (found,) = in_node(
        web_folder("decoder"),
        [{"verb": "next", "arguments": [BEGUN.tolist(), {"temperature": 1.0}]}],
    )
    model = make_run("decoder").load_model()
    rows = strokes.stroke3_to_stroke5(BEGUN, len(BEGUN))
    rows[:, :2] /= 12.5
    raw = model.decoder(tf.constant(np.concatenate([[model.start_token], rows])[None], tf.float32))
    expected = next_point.NextPoint(raw[0, -1])
    columns = {
        "weight": tf.nn.softmax(expected.mixture_logits),
        "x": expected.loc[:, 0] * 12.5,
        "y": expected.loc[:, 1] * 12.5,
        "sigmaX": expected.scale[:, 0] * 12.5,
        "sigmaY": expected.scale[:, 1] * 12.5,
        "rho": expected.corr,
    }
    for name, column in columns.items():
        values = [component[name] for component in found["components"]]
        np.testing.assert_allclose(values, column, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["pen"], tf.nn.softmax(expected.pen_logits), atol=1e-5)


BAD_CALLS = {
    "temperature is 0": ("generate", [{"temperature": 0}]),
    'there is no temperature of "ink"': ("generate", [{"temperature": {"ink": 1}}]),
    "seed is 4294967296": ("generate", [{"seed": 2**32}]),
    "num is 0": ("generate", [{"num": 0}]),
    'it cannot draw "fish"': ("generate", [{"label": "fish"}]),
    "sketch 0 has no points": ("complete", [[[]]]),
    "sketch 0 has a pen state other than 0 and 1": ("complete", [[[[0, 0, 0.5]]]]),
    "sketch 0 has at row 0 no three finite numbers": ("complete", [[[[0, None, 1]]]]),
    "sketch 0 has 41 points, more than the 40": ("complete", [[[[1, 1, 0]] * 41]]),
    "expected a list of drawings": ("complete", [[]]),
    "this model is a decoder alone": ("encode", [[[[0, 0, 1]]]]),
    "noise does not have 1 sketches of 40 points": ("generate", [{"noise": [[[0, 0, 0, 0]]]}]),
}


def test_mistakes_have_a_sentence(web_folder, in_node):
    calls = BAD_CALLS.values()
    requests = [{"verb": verb, "arguments": arguments} for verb, arguments in calls]
    answers = in_node(web_folder("decoder"), requests)
    for sentence, found in zip(BAD_CALLS, answers, strict=True):
        assert found["kind"] == "SketchError", found
        assert sentence in found["error"]
    (unknown,) = in_node(
        web_folder("classes"), [{"verb": "generate", "arguments": [{"label": "cat"}]}]
    )
    assert unknown["error"] == 'the model has no class "cat"; it has bird, fish'


def test_a_damaged_or_foreign_file_is_refused_with_a_sentence(web_folder, in_node):
    data = (web_folder("decoder") / "model.bin").read_bytes()
    middle = len(data) // 2
    files = {
        "this is not a model exported for the web": b"PK\x03\x04 and so on and so on and so on",
        "format version 9": data[:8] + b"\x09" + data[9:],
        "its checksum is wrong": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "damaged": data[:-100],
        "this is not a model": b"",
    }
    requests = [{"file": base64.b64encode(content).decode()} for content in files.values()]
    for sentence, found in zip(files, in_node(web_folder("decoder"), requests), strict=True):
        assert found["kind"] == "SketchError", found
        assert sentence in found["error"]
