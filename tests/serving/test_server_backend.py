from __future__ import annotations

import concurrent.futures

import numpy as np
import pytest

from sketch_rnn_tf import serving
from sketch_rnn_tf.errors import UserError

pytestmark = pytest.mark.large


@pytest.fixture(scope="module", params=["grpc", "rest"])
def client(server, request):
    with serving.connect(server.addresses[request.param], timeout=20) as client:
        yield client


def _drawings():
    random = np.random.default_rng(4)
    rows = [random.normal(0, 9, [n, 3]).astype(np.float32) for n in (6, 2, 9)]
    for row in rows:
        row[:, 2] = random.random(len(row)) < 0.4
    return rows


def _assert_same(found, expected):
    assert [s.label for s in found] == [s.label for s in expected]
    assert [(s.ended, s.given) for s in found] == [(s.ended, s.given) for s in expected]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.strokes, b.strokes, atol=7e-3)


COMMON = {"temperature": 0.7, "seed": 4, "label": "dog"}
VERBS = {
    "generate": lambda s: s.generate(3, **COMMON),
    "generate short": lambda s: s.generate(3, max_points=2, **COMMON),
    "generate from z": lambda s: s.generate(2, z=np.float32([[1, 2, 3], [3, 2, 1]]), **COMMON),
    "reconstruct": lambda s: s.reconstruct(_drawings(), **COMMON),
    "complete": lambda s: s.complete(_drawings(), 2, **COMMON),
    "interpolate": lambda s: s.interpolate(_drawings()[:2], 4, **COMMON),
    "interpolate between four": lambda s: s.interpolate([*_drawings(), [1.0, 2, 3]], 2, **COMMON),
    "analogy": lambda s: s.analogy(*[[d] for d in _drawings()], 2, **COMMON),
    "explore": lambda s: s.explore(_drawings(), 1, 3, **COMMON),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_a_server_draws_what_is_drawn_at_home(client, exported, verb):
    _assert_same(verb(client), verb(exported.sketcher))


def test_a_server_encodes_and_scores_as_is_done_at_home(client, exported):
    z = client.encode(_drawings(), label=["cat", "dog", "cat"])
    expected = exported.sketcher.encode(_drawings(), label=["cat", "dog", "cat"])
    np.testing.assert_allclose(z, expected, atol=1e-5)
    found = client.score(_drawings(), label="dog")
    for ours, theirs in zip(found, exported.sketcher.score(_drawings(), label="dog"), strict=True):
        assert ours.pop("label") == theirs.pop("label") == "dog"
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_more_rows_than_fit_into_a_request_come_back_in_order(client, exported):
    num = 70
    _assert_same(client.generate(num, **COMMON), exported.sketcher.generate(num, **COMMON))


def test_status_metadata_and_configuration_come_from_the_server(client, exported):
    assert client.backend.status()[1] == "AVAILABLE"
    assert client.backend.metadata()["generate"]["inputs"]["seed"] == ("INT32", [-1, 2])
    assert client.config == exported.sketcher.config


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.generate(2, temperature=0, label="cat"), "temperature"),
        (lambda c: c.generate(2, label="cow"), "no class 'cow'"),
        (lambda c: c.generate(2, label="cat", greedy=True), "greedy"),
        (lambda c: c.generate(2, label="cat", max_points=21), "at most 20"),
        (lambda c: c.generate(2, label="cat", temperature={"pen": 1.0}), "one temperature"),
        (lambda c: c.encode([np.zeros([2, 4])], label="cat"), "shape"),
        (lambda c: c.complete([np.zeros([21, 3])], label="cat"), "more than the 20"),
        (lambda c: c.encode([np.zeros([2001, 3])], label="cat"), "number of points"),
        (lambda c: c.backend.predict("sing", a=np.float32([1])), "sing"),
        (lambda c: c.backend.predict("generate", seed=np.int32([[1, 2]])), "generate|temperature"),
    ],
)
def test_what_cannot_be_meant_is_a_value_error(client, call, words):
    with pytest.raises(ValueError, match=words):
        call(client)


def test_unknown_models_versions_and_labels_are_value_errors(server):
    for address in server.addresses.values():
        for options in ({"model_name": "nobody"}, {"version": 99}, {"label": "canary"}):
            with pytest.raises(ValueError, match=r"(?i)not found|unrecognized servable version"):
                serving.connect(address, **options).generate()


def test_drawings_of_different_lengths_may_be_merged(server, exported):
    with (
        serving.connect(server.addresses["grpc"]) as client,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        client.config  # noqa: B018
        rows = _drawings()
        futures = [pool.submit(client.encode, [rows[i % 3]], label="cat") for i in range(24)]
        expected = exported.sketcher.encode(rows, label="cat")
        for i, future in enumerate(futures):
            np.testing.assert_allclose(future.result()[0], expected[i % 3], atol=1e-5)


def test_the_warm_up_file_is_replayed_and_a_new_version_taken_up(exported, start):
    server = start(exported.base)
    assert server.ready["warmed_up"] == 2 * 9  # two batch sizes of each signature
    with serving.connect(server.addresses["grpc"]) as client:
        assert max(client.backend.status()) == 1
        exported.again()
        assert server.poll()["versions"] == [1, 2]
        assert max(client.backend.status()) == 2
        old = serving.connect(server.addresses["rest"], version=1).generate(1, **COMMON)
        _assert_same(client.generate(1, **COMMON), old)


def test_requests_are_sent_again_while_the_server_is_unavailable(exported, start):
    server = start(exported.base, "--unavailable", "3")
    with pytest.raises(serving.UnavailableError):
        serving.connect(server.addresses["grpc"], retries=0).backend.status()
    for address in server.addresses.values():
        assert serving.connect(address, retries=4).backend.status()


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_not_there_is_unavailable(scheme):
    client = serving.connect(f"{scheme}://127.0.0.1:9", retries=1, timeout=5)
    with pytest.raises(serving.UnavailableError, match=r"127\.0\.0\.1:9"):
        client.backend.status()


@pytest.fixture(scope="module")
def folder(exported):
    return serving.connect(exported.base)


@pytest.mark.parametrize("verb", ["generate", "reconstruct", "complete", "interpolate"])
def test_an_exported_folder_draws_without_a_server_what_is_drawn_at_home(folder, exported, verb):
    _assert_same(VERBS[verb](folder), VERBS[verb](exported.sketcher))
    assert folder.config == exported.sketcher.config


def test_an_exported_folder_has_the_signatures_that_a_server_tells(folder, client):
    assert folder.backend.metadata() == client.backend.metadata()
    assert list(folder.backend.status().values()) == ["AVAILABLE"]


def test_a_wrong_input_to_a_folder_is_the_users_error(folder):
    with pytest.raises(UserError, match="generate refuses its inputs"):
        folder.backend.predict("generate", temperature=np.float32([1]))
    with pytest.raises(UserError, match=r"has no signature 'nothing'; it has .*generate"):
        folder.backend.predict("nothing", x=np.float32([1]))


def test_a_model_of_an_older_version_names_the_signature_that_it_lacks(folder, monkeypatch):
    without = {
        name: f for name, f in folder.backend._transport._signatures.items() if name != "score"
    }
    monkeypatch.setattr(folder.backend._transport, "_signatures", without)
    with pytest.raises(UserError, match=r"no signature 'score'.* export it again"):
        folder.score(_drawings(), label="dog")
    assert len(folder.generate(1, label="dog")) == 1


def test_a_folder_of_another_kind_is_refused(exported, tmp_path):
    with pytest.raises(UserError, match="not a run directory"):
        serving.connect(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(UserError, match="cannot be loaded as a SavedModel"):
        serving.connect(tmp_path)
