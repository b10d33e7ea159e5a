"""The Sketcher's verbs with tiny untrained models: what holds whatever the weights are."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import sketch_rnn_tf
from sketch_rnn_tf import config, drawing, runs
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher.sketcher import Sketcher

SCALE = 20.0
LENGTH = 40
# "The same drawing": the same pen states, and offsets within 1e-3 normalized units.
SAME = 1e-3 * SCALE


def _configuration(**model) -> config.RunConfig:
    parts = {
        "z_size": 6,
        "num_mixtures": 3,
        "encoder": config.EncoderConfig(units=8),
        "decoder": config.DecoderConfig(units=16),
    }
    return config.RunConfig(
        scale_factor=SCALE,
        max_length=LENGTH,
        classes=("cat", "dog"),
        model=config.ModelConfig(**{**parts, **model}),
    )


def _sketcher(**model) -> Sketcher:
    keras.utils.set_random_seed(4)
    configuration = _configuration(**model)
    model = sketch_rnn.build_model(configuration)
    bias = model.decoder.output_layer.bias  # fewer points end a sketch than chance would have
    bias.assign(tf.tensor_scatter_nd_update(bias, [[2]], [-1.0]))
    return Sketcher(KerasBackend(model, configuration))


@pytest.fixture(scope="module")
def conditional():
    return _sketcher()


@pytest.fixture(scope="module")
def alone():
    decoder = config.DecoderConfig(units=16, absolute_position=True)
    return _sketcher(conditional=False, decoder=decoder)


@pytest.fixture(scope="module")
def by_class():
    return _sketcher(class_conditioned=True)


def _drawings(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(8)
    found = []
    for i in range(count):
        rows = rng.normal(size=(5 + 3 * i, 3)).astype(np.float32) * SCALE
        rows[:, 2] = rng.random(len(rows)) < 0.3
        found.append(rows)
    return found


def _assert_same(one: drawing.Sketch, other: drawing.Sketch) -> None:
    assert one.ended == other.ended
    np.testing.assert_array_equal(one[:, 2], other[:, 2])
    np.testing.assert_allclose(one[:, :2], other[:, :2], atol=SAME)


@pytest.mark.parametrize("name", ["conditional", "alone"])
def test_a_sketch_is_the_same_alone_and_in_a_batch(request, name):
    sketcher = request.getfixturevalue(name)
    batch = sketcher.generate(9, seed=5)
    assert len({len(sketch) for sketch in batch}) > 1
    for i in (0, 4, 8):
        _assert_same(sketcher.generate(1, seed=[[5, i]])[0], batch[i])
    for few, sketch in zip(sketcher.generate(3, seed=5), batch, strict=False):
        _assert_same(few, sketch)


def test_the_same_call_gives_the_same_numbers(conditional):
    assert conditional.generate(5, seed=2) == conditional.generate(5, seed=2)
    assert conditional.generate(5, seed=2) != conditional.generate(5, seed=3)


def test_batches_do_not_change_a_drawing(conditional):
    small = Sketcher(KerasBackend(conditional.model, conditional.config, batch_size=4))
    for one, other in zip(conditional.generate(10), small.generate(10), strict=True):
        _assert_same(one, other)


def test_a_shorter_limit_cuts_the_same_drawing_off(conditional):
    whole = conditional.generate(8, seed=1, temperature=1.0)
    for cut, sketch in zip(
        conditional.generate(8, seed=1, temperature=1.0, max_points=6), whole, strict=True
    ):
        assert len(cut) == min(6, len(sketch))
        assert cut.ended == (len(sketch) < 6)
        np.testing.assert_allclose(cut.strokes, sketch[:6], atol=SAME)


def test_graphs_serve_every_batch_size_and_length(conditional):
    sketcher = Sketcher(KerasBackend(conditional.model, conditional.config))
    for num, length in ((1, 5), (2, 7), (7, 12), (3, 40)):
        sketcher.generate(num, max_points=length)
        sketcher.encode(_drawings(num))
    assert sketcher.backend.traces == 2


def test_each_sketch_has_its_own_temperature(conditional):
    cold, hot = conditional.generate(2, temperature=[0.1, 1.5], seed=3)
    _assert_same(cold, conditional.generate(2, temperature=0.1, seed=3)[0])
    _assert_same(hot, conditional.generate(2, temperature=1.5, seed=3)[1])


def test_temperatures_of_pen_and_offsets_are_separate(conditional):
    parts = {"pen": 0.5, "mixture": 0.5, "offset": 0.5}
    _assert_same(
        conditional.generate(1, temperature=parts)[0], conditional.generate(1, temperature=0.5)[0]
    )
    wider = conditional.generate(1, temperature={**parts, "offset": 2.0}, max_points=1)[0]
    narrow = conditional.generate(1, temperature=parts, max_points=1)[0]
    assert wider[0, 2] == narrow[0, 2]
    assert abs(wider[0, 0] - narrow[0, 0]) > SAME


def test_the_temperature_mode_is_the_configurations(conditional):
    other = conditional.with_settings(temperature_mode="magenta")
    one, two = conditional.generate(1, max_points=1)[0], other.generate(1, max_points=1)[0]
    assert abs(one[0, 0] - two[0, 0]) > SAME
    assert conditional.generate(1, temperature=1.0) == other.generate(1, temperature=1.0)


def test_greedy_needs_no_noise(conditional):
    z = np.ones((1, 6), np.float32)
    one = conditional.generate(1, z=z, greedy=True, seed=1, temperature=0.3)
    assert one == conditional.generate(1, z=z, greedy=True, seed=2, temperature=0.9)


def test_offsets_are_in_source_units(conditional):
    double = conditional.with_settings(scale_factor=2 * SCALE)
    np.testing.assert_allclose(
        double.generate(1, seed=1)[0][:, :2], 2 * conditional.generate(1, seed=1)[0][:, :2]
    )
    np.testing.assert_allclose(
        double.encode([2 * _drawings(1)[0] * [1, 1, 0.5]]), conditional.encode(_drawings(1))
    )


def test_encode_gives_the_encoders_means_in_order(conditional):
    given = _drawings(7)
    z = conditional.encode(given)
    assert z.shape == (7, 6)
    for i in (0, 6):
        np.testing.assert_allclose(conditional.encode([given[i]])[0], z[i], atol=1e-6)


def test_reconstruct_draws_from_the_means(conditional):
    given = _drawings(3)
    drawn = conditional.reconstruct(given, seed=4)
    assert drawn == conditional.generate(3, z=conditional.encode(given), seed=4)
    assert drawn != conditional.reconstruct(given, seed=4, sample_z=True)


@pytest.mark.parametrize("name", ["conditional", "alone"])
def test_completing_leaves_the_beginning_untouched(request, name):
    sketcher = request.getfixturevalue(name)
    begun = _drawings(3)
    begun[0][-1, 2], begun[1][-1, 2] = 0, 1  # pen down and up at the cut
    drawn = sketcher.complete(begun, 4, seed=2)
    assert len(drawn) == 12
    assert drawn.layout["columns"] == 4
    for i, sketch in enumerate(drawn):
        given = begun[i // 4]
        assert sketch.given == len(given)
        np.testing.assert_array_equal(sketch[: len(given)], given)
    assert len({sketch.strokes.tobytes() for sketch in drawn}) == 12


def test_a_continuation_is_the_same_whatever_their_number(alone):
    begun = _drawings(2)
    many, few = alone.complete(begun, 5, seed=2), alone.complete(begun, 2, seed=2)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        _assert_same(many[5 * i + j], few[2 * i + j])


def test_the_pen_at_the_cut_matters(alone):
    down, up = _drawings(1)[0], _drawings(1)[0]
    down[-1, 2], up[-1, 2] = 0, 1
    one, two = (alone.complete([rows], greedy=True)[0] for rows in (down, up))
    assert not np.array_equal(one[len(down) :], two[len(up) :])


def test_completing_a_drawing_goes_on_as_it_would_have(alone):
    whole = alone.generate(1, seed=6, temperature=1.0, max_points=20)[0]
    begun = whole[:8]
    _assert_same(alone.complete([begun], seed=6, temperature=1.0, max_points=20)[0], whole)


def test_a_full_beginning_stays_as_it_is(alone):
    begun = _drawings(1)[0]
    done = alone.complete([begun], max_points=len(begun))[0]
    assert not done.ended
    np.testing.assert_array_equal(done.strokes, begun)


@pytest.mark.parametrize("interpolation", ["linear", "spherical"])
def test_interpolation_begins_and_ends_at_the_reconstructions(conditional, interpolation):
    given = _drawings(2)
    way = conditional.interpolate(given, 5, interpolation=interpolation, seed=3)
    assert len(way) == 5
    ends = conditional.reconstruct(given, seed=[[3, 0], [3, 0]])
    _assert_same(way[0], ends[0])
    _assert_same(way[-1], ends[1])


def test_four_ends_make_a_square_of_latents_and_drawings(conditional):
    ends = [*_drawings(2), *np.random.default_rng(2).normal(size=(2, 6))]
    square = conditional.interpolate(ends, 3, seed=3)
    assert len(square) == 9
    assert square.layout["columns"] == 3
    corner = conditional.generate(1, z=ends[3][None], seed=3)[0]
    _assert_same(square[8], corner)


def test_an_analogy_of_latents_is_their_sum(conditional):
    a, b, c = np.random.default_rng(2).normal(size=(3, 1, 6)).astype(np.float32)
    drawn = conditional.analogy(a, b, c, 2, seed=1)
    assert len(drawn) == 2
    for one, other in zip(
        drawn, conditional.generate(2, z=np.tile(a - b + c, (2, 1)), seed=1), strict=True
    ):
        _assert_same(one, other)


def test_explore_draws_a_titled_strip_a_direction(conditional):
    strips = conditional.explore(_drawings(6), directions=2, steps=3)
    assert len(strips) == 6
    assert strips.layout["columns"] == 3
    assert [title[:2] for title in strips.layout["row_titles"]] == ["1:", "2:"]
    assert "<svg" in strips.svg()


def test_classes_are_chosen_by_name(by_class):
    drawn = by_class.generate(2, label=["dog", "cat"], seed=1)
    assert [sketch.label for sketch in drawn] == ["dog", "cat"]
    _assert_same(drawn[0], by_class.generate(2, label="dog", seed=1)[0])
    done = by_class.complete(_drawings(2), 2, label=["dog", "cat"])
    assert [sketch.label for sketch in done] == ["dog", "dog", "cat", "cat"]


def test_a_model_without_first_points_gets_and_gives_them(conditional):
    shifted = conditional.with_settings(drop_first_point=True)
    given = _drawings(1)[0]
    origin = np.zeros((1, 3), np.float32)
    with_origin = np.concatenate([origin, given])
    np.testing.assert_array_equal(shifted.encode([with_origin]), conditional.encode([given]))
    drawn = shifted.generate(1, seed=1)[0]
    np.testing.assert_array_equal(drawn[:1], origin)
    np.testing.assert_array_equal(drawn[1:], conditional.generate(1, seed=1)[0].strokes)
    done, plain = shifted.complete([with_origin])[0], conditional.complete([given])[0]
    np.testing.assert_array_equal(done.strokes, np.concatenate([origin, plain.strokes]))


def test_the_start_token_is_the_configurations(alone):
    other = alone.with_settings(start_token=(0.0, 0.0, 0.0, 0.0, 0.0))
    one, two = alone.generate(1, max_points=1)[0], other.generate(1, max_points=1)[0]
    assert not np.array_equal(one.strokes, two.strokes)


_EMPTY = np.zeros((0, 3))


@pytest.mark.parametrize(
    ("verb", "arguments", "options", "message"),
    [
        ("generate", [2], {"temperature": 0}, "temperature is 0, expected a finite number above 0"),
        ("generate", [2], {"temperature": [1, np.nan]}, "expected a finite number above 0"),
        ("generate", [0], {}, "num is 0, expected a whole number of at least 1"),
        ("generate", [1], {"max_points": 0}, "max_points is 0"),
        ("generate", [1], {"label": "cat"}, "not class-conditioned: it cannot draw 'cat'"),
        ("generate", [1], {"z": np.ones((1, 5))}, r"z has shape \[1, 5\], expected .*\[1, 6\]"),
        ("generate", [1], {"z": np.full((1, 6), np.inf)}, "expected finite numbers"),
        ("complete", [[_EMPTY]], {}, "sketch 0 has no points"),
        ("complete", [[]], {}, "there are no sketches"),
        ("complete", [[np.ones((50, 3))]], {}, "sketch 0 has 50 points, more than the 40 allowed"),
        ("complete", [[np.ones((4, 2))]], {}, r"sketch 0 has shape \[4, 2\], expected \[N, 3\]"),
        ("complete", [[np.full((4, 3), np.nan)]], {}, "sketch 0 has a coordinate that is not fin"),
        ("reconstruct", [[_EMPTY]], {}, "sketch 0 has no points"),
        ("interpolate", [[np.ones(6)] * 3], {}, "between 3 drawings cannot be drawn: 2 or 4 can"),
        ("interpolate", [[np.ones(6)] * 2, 1], {}, "1 steps cannot be drawn"),
        ("interpolate", [[np.ones(6)] * 2], {"interpolation": "x"}, "no interpolation 'x'"),
        ("analogy", [[], [np.ones(6)], [np.ones(6)]], {}, "there are no sketches"),
        ("explore", [[np.ones(6)] * 3], {}, "4 directions of 3 drawings"),
    ],
)
def test_a_mistake_is_one_clear_sentence(conditional, verb, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(conditional, verb)(*arguments, **options)


def test_an_unknown_class_names_the_known_ones(by_class):
    with pytest.raises(ValueError, match="no class 'cow'; it has cat, dog"):
        by_class.generate(1, label="cow")
    with pytest.raises(ValueError, match="draws by class: choose one of cat, dog"):
        by_class.generate(1)
    with pytest.raises(ValueError, match="2 labels do not fit 3 sketches"):
        by_class.generate(3, label=["cat", "dog"])


def test_drawings_that_carry_a_class_are_of_that_class(by_class):
    dogs = by_class.generate(2, label="dog", seed=1, max_points=5)
    assert [one.label for one in dogs] == ["dog", "dog"]
    assert by_class.reconstruct(dogs) == by_class.reconstruct(dogs, label="dog")
    assert by_class.score(dogs) == by_class.score(dogs, label="dog")
    assert by_class.interpolate(dogs, steps=3) == by_class.interpolate(dogs, steps=3, label="dog")
    mixed = [dogs[0], dataclasses.replace(dogs[1], label="cat")]
    assert [one.label for one in by_class.complete(mixed)] == ["dog", "cat"]
    with pytest.raises(ValueError, match="draws by class"):
        by_class.interpolate(mixed)


@pytest.mark.parametrize("verb", ["encode", "reconstruct", "interpolate", "explore"])
def test_a_decoder_alone_says_what_it_cannot_do(alone, verb):
    with pytest.raises(ValueError, match="a decoder alone: without an encoder it can generate and"):
        getattr(alone, verb)(_drawings(2))


def test_a_run_directory_opens_as_a_sketcher(tmp_path, conditional):
    run = runs.create(tmp_path / "run", conditional.config)
    conditional.model.save(run.path / runs.BEST)
    sketcher = sketch_rnn_tf.load_model(run.path)
    assert sketcher.generate(3, seed=1) == conditional.generate(3, seed=1)
    hot = sketch_rnn_tf.load_model(run.path, temperature_mode="magenta")
    assert hot.config == dataclasses.replace(sketcher.config, temperature_mode="magenta")
    with pytest.raises(ValueError, match="temprature_mode"):
        sketch_rnn_tf.load_model(run.path, temprature_mode="magenta")
