"""One model at home, on a server and on a device: the same verbs, drawings and mistakes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf import config, latent_prior, ondevice, runs, serving
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.litert import exporter, graphs
from sketch_rnn_tf.export.saved_model import signatures
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher import arguments
from sketch_rnn_tf.sketcher.sketcher import Sketcher

SCALE, LENGTH, Z = 6.0, 25, 3
# Means far from each other and two directions, which only the model with an encoder has.
PRIOR = latent_prior.LatentPrior(
    np.float32([[4, 0, -3], [-2, 5, 1]]),
    np.float32([[[1, 2, 0], [0, 1, 0.5]], [[2, 0, 1], [0, 0.5, 3]]]),
).to_json()
SAME = 1e-3 * SCALE  # offsets of "the same drawing", source units
VERBS = ("generate", "encode", "reconstruct", "complete", "interpolate", "analogy", "explore",
         "score")  # fmt: skip


class Loopback:
    """A transport to the exported functions in this process, as if a server ran them."""

    def __init__(self, model, configuration):
        self._signatures = signatures.Signatures(model, configuration).all()
        self._functions = {
            name: tf.function(made.function, input_signature=made.inputs, autograph=False)
            for name, made in self._signatures.items()
        }

    def predict(self, model, signature, inputs, timeout):
        specs = self._signatures[signature].inputs
        assert set(inputs) == {spec.name for spec in specs}
        outputs = self._functions[signature](*(inputs[spec.name] for spec in specs))
        return {name: _text(value.numpy()) for name, value in outputs.items()}


def _text(value):
    return value.astype(str) if value.dtype == object else value


def _device(model, configuration, folder):
    run = runs.Run(folder, configuration)
    mode, start = configuration.temperature_mode, configuration.start_token
    made = graphs.Graphs(model, configuration.scale_factor, start, mode)
    path = folder / "model.tflite"
    path.write_bytes(exporter.convert(made, "float32", exporter.describe(run, made)))
    return ondevice.open(path)


def _everywhere(folder, conditional: bool):
    """Returns a model at home, on a server and on a device."""
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
    keras.utils.set_random_seed(5)
    configuration = config.RunConfig(
        SCALE, LENGTH, ("cat", "dog"), drop_first_point=not conditional, latent_prior=PRIOR,
        model=config.ModelConfig(
            conditional=conditional, z_size=Z, num_mixtures=4, class_conditioned=conditional,
            class_embedding=2, encoder=config.EncoderConfig(units=6),
            decoder=config.DecoderConfig(units=7),
        ),
    )  # fmt: skip
    model = sketch_rnn.build_model(configuration)
    bias = model.decoder.output_layer.bias
    bias.assign(bias - tf.one_hot(2, bias.shape[0]))  # drawings that do not end at once
    for layer in (model.encoder.mean, model.encoder.log_var) if conditional else ():
        layer.kernel.assign(layer.kernel * 500.0)  # new ones are so small that z says nothing
    client = serving.connect("http://localhost")
    client.backend._transport = Loopback(model, configuration)
    return {
        "home": Sketcher(KerasBackend(model, configuration)),
        "server": client,
        "device": _device(model, configuration, folder),
    }


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """Returns a class-conditioned model with an encoder at all three places."""
    return _everywhere(tmp_path_factory.mktemp("conditional"), True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Returns a decoder that has not seen row 0 at all three places."""
    return _everywhere(tmp_path_factory.mktemp("alone"), False)


@pytest.fixture(scope="module", params=["conditional", "alone"])
def faces(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def label(faces):
    """Returns a class that the model knows, if it knows any."""
    return "dog" if faces["home"].classes else None


def _drawings():
    random = np.random.default_rng(2)
    found = [random.normal(0, 8, [n, 3]).astype(np.float32) for n in (7, 2, 5, 9)]
    for rows in found:
        rows[:, 2] = random.random(len(rows)) < 0.4
    found[0][:2, :2] = 0  # begins at the origin, and stays there for a point
    return found


def _assert_same(found, expected):
    assert [(s.label, s.ended, s.given) for s in found] == [
        (s.label, s.ended, s.given) for s in expected
    ]
    assert found.layout == expected.layout
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one[:, 2], other[:, 2])
        np.testing.assert_allclose(one[:, :2], other[:, :2], atol=SAME)


def test_every_place_has_a_sketcher_with_all_verbs(faces):
    public = {name for name in vars(Sketcher) if not name.startswith("_")}
    assert set(VERBS) <= public
    assert {type(face) for face in faces.values()} == {Sketcher}
    for face in faces.values():
        for name in ("draw", "encode", "score", "config"):
            assert hasattr(face.backend, name)


def test_the_names_of_before_say_what_they_are_called_now(tmp_path):
    with pytest.warns(DeprecationWarning, match=r"serving\.connect"):
        assert isinstance(serving.Client("http://localhost"), Sketcher)
    with pytest.warns(DeprecationWarning, match=r"ondevice\.open"), pytest.raises(UserError):
        ondevice.Sampler(tmp_path / "none.tflite")


def test_every_place_knows_the_same_of_the_model(faces):
    for name in ("conditional", "classes"):
        assert len({getattr(face, name) for face in faces.values()}) == 1


COMMON = {"temperature": 0.8, "seed": 7}
SEEDED = {
    "generate": lambda f, **more: f.generate(3, **COMMON, **more),
    "generate short": lambda f, **more: f.generate(3, max_points=4, **COMMON, **more),
    "each its own temperature": lambda f, **more: f.generate(2, temperature=[0.2, 1.5], **more),
    "complete": lambda f, **more: f.complete(_drawings(), 2, **COMMON, **more),
}
SEEDED_LATENTS = {
    "reconstruct": lambda f, **more: f.reconstruct(_drawings(), **more),
    "interpolate": lambda f, **more: f.interpolate(_drawings()[:2], 4, **more),
    "analogy": lambda f, **more: f.analogy(_drawings()[:2], [np.ones(Z)], _drawings(), 2, **more),
    "explore": lambda f, **more: f.explore(_drawings(), 2, 3, **more),
}


@pytest.mark.parametrize("verb", SEEDED.values(), ids=list(SEEDED))
def test_a_seed_draws_the_same_everywhere(faces, label, verb):
    expected = verb(faces["home"], label=label)
    for name in ("server", "device"):
        _assert_same(verb(faces[name], label=label), expected)


@pytest.mark.parametrize("verb", SEEDED_LATENTS.values(), ids=list(SEEDED_LATENTS))
def test_a_seed_draws_the_same_of_latent_vectors_everywhere(conditional, verb):
    more = {"label": "cat", **COMMON}
    expected = verb(conditional["home"], **more)
    for name in ("server", "device"):
        _assert_same(verb(conditional[name], **more), expected)


def test_a_device_samples_latent_vectors_as_at_home(conditional):
    more = {"label": "cat", "sample_z": True, **COMMON}
    home, device = conditional["home"], conditional["device"]
    _assert_same(device.reconstruct(_drawings(), **more), home.reconstruct(_drawings(), **more))


@pytest.mark.parametrize("options", [{}, {"temperature": {"pen": 0.5, "offset": 1.5}},
                                     {"greedy": True}, {"max_points": 9}])  # fmt: skip
def test_a_device_draws_a_noises_drawings(faces, label, options):
    common = {"temperature": 0.8, "label": label, "noise": _noise(), **options}
    z = np.random.default_rng(6).normal(size=(4, Z)) if faces["home"].conditional else None
    home, device = faces["home"], faces["device"]
    drawn = device.generate(4, z=z, **common)
    assert max(len(sketch) for sketch in drawn) > 4
    _assert_same(drawn, home.generate(4, z=z, **common))
    _assert_same(*(face.complete(_drawings()[:2], 2, **common) for face in (device, home)))


def test_a_device_reconstructs_a_noises_drawings(conditional):
    common = {"temperature": 0.8, "label": "cat", "noise": _noise()}
    home, device = conditional["home"], conditional["device"]
    _assert_same(*(face.reconstruct(_drawings(), **common) for face in (device, home)))


def _noise():
    random = np.random.default_rng(3)
    uniforms, normals = random.random((4, LENGTH, 2)), random.normal(size=(4, LENGTH, 2))
    uniforms[:, :, 1] *= 0.6  # long drawings
    return np.concatenate([uniforms, normals], axis=2)


def test_completions_begin_with_what_was_given_everywhere(faces, label):
    begun = _drawings()
    for face in faces.values():
        for i, sketch in enumerate(face.complete(begun, 2, label=label)):
            assert sketch.given == len(begun[i // 2])
            np.testing.assert_array_equal(sketch[: sketch.given], begun[i // 2])


def test_drawings_cost_the_same_everywhere(faces, label):
    expected = faces["home"].score(_drawings(), label=label)
    assert sum(one["nats"] for one in expected) > 1.0
    for name in ("server", "device"):
        found = faces[name].score(_drawings(), label=label)
        for one, other in zip(found, expected, strict=True):
            assert one.pop("label") == label
            assert one == pytest.approx({k: v for k, v in other.items() if k != "label"}, rel=1e-4)
        assert faces[name].score([]) == faces["home"].score([]) == []


def test_latent_vectors_are_the_same_everywhere(conditional):
    expected = conditional["home"].encode(_drawings(), label="cat")
    assert {face.z_size for face in conditional.values()} == {Z}
    for name in ("server", "device"):
        z = conditional[name].encode(_drawings(), label="cat")
        np.testing.assert_allclose(z, expected, atol=1e-5)


GOOD, EMPTY = np.float32([[1, 2, 0], [3, 4, 1]]), np.zeros((0, 3))
MISTAKES = [
    ("generate", [2], {"temperature": 0}, "temperature is 0, expected a finite number above 0"),
    ("generate", [2], {"temperature": [1, np.nan]}, "temperature is [1, nan], expected a finite"),
    ("generate", [3], {"temperature": [1, 2]}, "2 values of temperature do not fit 3 sketches"),
    ("generate", [2], {"temperature": {"ink": 1}}, "there is no temperature of 'ink'"),
    ("generate", [2], {"seed": 0.5}, "seed is 0.5, expected an integer or 2 rows of two"),
    ("generate", [2], {"seed": 2**40}, "expected an integer of 32 bits"),
    ("generate", [0], {}, "num is 0, expected a whole number of at least 1"),
    ("generate", [1], {"max_points": 0}, "max_points is 0, expected a whole number"),
    ("generate", [1], {"noise": np.zeros((1, 3, 4))},
     "noise has shape [1, 3, 4], expected [1, 25, 4]"),
    ("generate", [1], {"noise": np.full((1, 25, 4), np.nan)}, "noise has a value that is not fin"),
    ("complete", [[EMPTY]], {}, "sketch 0 has no points"),
    ("complete", [[]], {}, "there are no sketches"),
    ("complete", [GOOD], {}, "expected a list of drawings, not a drawing by itself"),
    ("complete", ["begun.svg"], {}, "sketch_rnn_tf.read(path, sketcher) reads those of a file"),
    ("complete", [[np.ones((50, 3))]], {}, "sketch 0 has 50 points, more than the 25 allowed"),
    ("complete", [[GOOD, GOOD[:, :2]]], {}, "sketch 1 has shape [2, 2], expected [N, 3]"),
    ("complete", [[GOOD * np.nan]], {}, "sketch 0 has a coordinate that is not finite"),
    ("complete", [[GOOD], 0], {}, "num is 0"),
    ("score", [[GOOD[:, :2]]], {}, "sketch 0 has shape [2, 2], expected [N, 3]"),
]  # fmt: skip
LATENT_MISTAKES = [
    ("generate", [1], {"z": np.ones((1, 5))}, "z has shape [1, 5], expected finite numbers [1, 3]"),
    ("generate", [1], {"z": np.full((1, Z), 1e300)}, "expected finite numbers"),
    ("encode", [[]], {}, "there are no sketches"),
    ("reconstruct", [[EMPTY]], {}, "sketch 0 has no points"),
    ("interpolate", [[np.ones(Z)] * 3], {}, "between 3 drawings cannot be drawn: 2 or 4 can"),
    ("interpolate", [[np.ones(Z)] * 2, 1], {}, "1 steps cannot be drawn: 2 or more can"),
    ("interpolate", [[np.ones(Z)] * 2], {"interpolation": "x"}, "there is no interpolation 'x'"),
    ("analogy", [[], [np.ones(Z)], [np.ones(Z)]], {}, "there are no sketches"),
    ("analogy", [[GOOD], [np.ones(4)], [GOOD]], {}, "z has shape [1, 4], expected"),
    ("explore", [[np.ones(Z)] * 3], {}, "4 directions of 3 drawings"),
    ("complete", [[GOOD]], {"z": np.ones((1, Z)), "sample_z": True}, "z and sample_z exclude"),
    ("explore", [[GOOD] * 3, 1], {"span": 0}, "span is 0, expected a finite number above 0"),
]


def _sentence(face, verb, given, options) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        getattr(face, verb)(*given, **options)
    return str(caught.value)


def _assert_one_sentence(faces, verb, given, options, words):
    sentences = {_sentence(face, verb, given, options) for face in faces.values()}
    assert len(sentences) == 1, sentences
    assert words in sentences.pop()


@pytest.mark.parametrize(("verb", "given", "options", "words"), MISTAKES)
def test_a_mistake_is_one_sentence_and_the_same_everywhere(
    faces, label, verb, given, options, words
):
    _assert_one_sentence(faces, verb, given, {"label": label, **options}, words)


@pytest.mark.parametrize(("verb", "given", "options", "words"), LATENT_MISTAKES)
def test_a_mistake_with_latent_vectors_is_the_same_sentence_everywhere(
    conditional, verb, given, options, words
):
    _assert_one_sentence(conditional, verb, given, {"label": "cat", **options}, words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "the model draws by class: choose one of cat, dog"),
        ("cow", "the model has no class 'cow'; it has cat, dog"),
        (("cat", "dog", "cat"), "3 labels do not fit 2 sketches"),
    ],
)
def test_classes_are_asked_for_in_the_same_words(conditional, given, words):
    _assert_one_sentence(conditional, "generate", [2], {"label": given}, words)


@pytest.mark.parametrize("verb", ["encode", "reconstruct", "interpolate", "explore"])
def test_a_decoder_alone_says_what_it_cannot_do(alone, verb):
    words = "a decoder alone: without an encoder it can generate and complete, not"
    _assert_one_sentence(alone, verb, [_drawings()], {}, words)


def test_a_decoder_alone_takes_neither_latent_vectors_nor_classes(alone):
    words = "this model is a decoder alone: it reads no latent vector"
    _assert_one_sentence(alone, "generate", [1], {"z": np.ones((1, Z))}, words)
    words = "the model is not class-conditioned: it cannot draw 'cat'"
    _assert_one_sentence(alone, "generate", [1], {"label": "cat"}, words)
    _assert_one_sentence(alone, "complete", [_drawings()], {"sample_z": True}, "without an encoder")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"greedy": True}, "a server's model does not take greedy"),
        ({"noise": np.zeros((1, LENGTH, 4))}, "a server's model does not take noise"),
        ({"temperature": {"pen": 1.0}}, "one temperature for pen, mixture and offsets"),
        ({"max_points": LENGTH + 1}, f"max_points is 26, but the server draws at most {LENGTH}"),
    ],
)
def test_a_server_refuses_what_its_graph_cannot_do(faces, label, options, words):
    assert words in _sentence(faces["server"], "generate", [1], {"label": label, **options})


def test_a_server_reads_latent_vectors_its_own_way(conditional):
    for verb in ("reconstruct", "complete"):
        options = {"label": "cat", "sample_z": True}
        sentence = _sentence(conditional["server"], verb, [_drawings()], options)
        assert sentence == "a server's model does not take sample_z"
    options = {"label": "cat", "z": np.ones((4, Z))}
    sentence = _sentence(conditional["server"], "complete", [_drawings()], options)
    assert sentence == "a server's model does not take z to complete with"


def test_new_drawings_start_from_the_fitted_prior(conditional):
    home = conditional["home"]
    normals = home.backend.normals(arguments.seeds(3, 4))
    expected = np.float32([-2, 5, 1]) + normals[:, :2] @ np.float32([[2, 0, 1], [0, 0.5, 3]])
    for place in conditional.values():
        found = place.generate(4, seed=3, label="dog", temperature=0.3)
        _assert_same(found, home.generate(4, seed=3, label="dog", temperature=0.3, z=expected))


def test_the_prior_of_the_paper_can_be_asked_for(conditional):
    home = conditional["home"]
    normals = home.backend.normals(arguments.seeds(3, 4))
    expected = home.generate(4, seed=3, label="dog", temperature=0.3, z=normals)
    for name in ("home", "device"):
        place = conditional[name].with_settings(latent_prior=None)
        _assert_same(place.generate(4, seed=3, label="dog", temperature=0.3), expected)
