"""Whatever bytes a file holds: a reader yields valid sketches or raises ReadError, nothing else."""

import gzip
import io
import json
import os
import pickle
import struct

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from data_prep import readers
from data_prep.readers import safe_pickle
from data_prep.readers.source import ReadError

SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "250")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


def check_all(path, **options):
    """Reads a file both ways; every sketch has to be valid."""
    refused = None
    try:
        for sketch in readers.read(path, **options):
            check(sketch)
    except ReadError as error:
        refused = str(error)
    skipped = []
    for sketch in readers.read(path, on_error="skip", on_skip=skipped.append, **options):
        check(sketch)
    messages = [skip.message for skip in skipped if skip.reason == readers.UNREADABLE]
    assert messages[:1] == ([] if refused is None else [refused])
    for message in messages:
        assert str(path) in message
        assert message.isprintable()
        assert len(message) < 500


def check(sketch):
    assert sketch.key.encode()
    assert sketch.label.encode()
    rows = sketch.to_stroke3()
    assert rows.shape[1:] == (3,)
    assert np.isfinite(rows).all()
    assert np.isin(rows[:, 2], (0, 1)).all()
    for stroke in sketch.to_polylines():
        assert stroke.dtype == np.float64
        assert stroke.shape == (len(stroke), 2)
        assert len(stroke)
        assert np.isfinite(stroke).all()


def npz():
    rows = np.empty(3, object)
    for i in range(3):
        rows[i] = np.arange(3 * i + 3).reshape(-1, 3).astype(np.int16) % 2
    buffer = io.BytesIO()
    np.savez(buffer, train=rows, valid=rows[:1], test=rows[:0])
    return buffer.getvalue()


SEEDS = {
    "npz": npz(),
    "ndjson": b'{"word":"cat","key_id":"1","recognized":true,"drawing":[[[1,2.5],[3,4],[0,9]]]}\n'
    * 3,
    "quickdraw_bin": (struct.pack("<Q2sbIHH", 5, b"DE", 1, 9, 1, 2) + b"\x01\x02\x03\x04") * 3,
    "svg": b'<svg viewBox="0 0 9 9"><g id="a" transform="rotate(3)"><path d="M1 2c3-4 5 6'
    b' 7.5e1 8a1 2 3 01 4 5z"/><rect x="1" width="2cm" height="3" rx="1"/></g>'
    b'<use href="#a" x="5%"/></svg>',
    "csv": b'word,key_id,recognized,drawing\ncat,1,True,"[[[1,2.5],[3,4],[0,9]]]"\n'
    b'"a ""cat""",2,False,"[[[0,10,255],[0,50,100]]]"\n',
    "iconify": b'{"prefix":"a","icons":{"b-c":{"body":"<path fill=\\"none\\" stroke=\\"red\\"'
    b' d=\\"M1 2h3v4\\"/>","left":1,"rotate":1},"d":{"body":"<circle r=\\"2\\"/>"}},"width":9}',
    "json": b'{"sketches":[{"strokes":[[1,2,0],[3,4.5,1]],"label":"cat"},{"polylines":[[[1,2]]]}]}',
}


@st.composite
def damaged(draw, seed):
    """Returns a file with some bytes replaced, removed, doubled or made up, or its gzip."""
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        end = draw(st.integers(place, min(place + 12, len(data))))
        kind = draw(st.integers(0, 3))
        data[place:end] = [
            b"",
            bytes(data[place:end]) * draw(st.integers(2, 40)),
            draw(st.binary(max_size=12)),
            draw(
                st.sampled_from(
                    [b"9" * 30, b"-1e999", b"NaN", b"null", b"[", b'"', b"\xff\xff\xff\xff"]
                )
            ),
        ][kind]
    return gzip.compress(bytes(data)) if draw(st.integers(0, 9)) == 0 else bytes(data)


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files_give_sketches_or_read_errors(tmp_path, name):
    path = tmp_path / "file"

    @SETTINGS
    @hypothesis.given(damaged(SEEDS[name]))
    def run(data):
        path.write_bytes(data)
        check_all(path, format=name)
        check_all(path)

    path.write_bytes(SEEDS[name])
    assert list(readers.read(path))
    run()


@pytest.mark.parametrize("name", SEEDS)
def test_any_bytes_give_sketches_or_read_errors(tmp_path, name):
    path = tmp_path / "file"

    @SETTINGS
    @hypothesis.given(st.binary(max_size=300))
    def run(data):
        path.write_bytes(data)
        check_all(path, format=name)

    run()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                [
                    "drawing",
                    "strokes",
                    "polylines",
                    "sketches",
                    "drawings",
                    "medians",
                    "train",
                    "icons",
                    "prefix",
                    "body",
                    "label",
                    "word",
                    "key_id",
                    "recognized",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@pytest.mark.parametrize("name", ["json", "ndjson", "iconify"])
def test_any_json_gives_sketches_or_read_errors(tmp_path, name):
    path = tmp_path / "file"

    @SETTINGS
    @hypothesis.given(st.lists(JSON, min_size=1, max_size=3))
    def run(values):
        path.write_text("\n".join(json.dumps(value) for value in values))
        check_all(path, format=name, recognized_only=True)
        path.write_text(json.dumps(values))
        check_all(path, format=name)

    run()


PATH_DATA = st.lists(
    st.sampled_from(list("MmLlHhVvCcSsQqTtAaZz, -."))
    | st.floats().map(str)
    | st.integers(-(10**6), 10**6).map(str),
    max_size=40,
).map(" ".join)
ATTRIBUTE = PATH_DATA | st.sampled_from(
    [
        "rotate(9)",
        "matrix(1 2 3)",
        "scale(0)",
        "50%",
        "1e300",
        "-3em",
        "auto",
        "#a",
        "none",
        "url(#a)",
        "url(#a) red",
        "currentColor",
        "rgb(0 0 0 / 0)",
        "#fff",
        "inherit",
        "evenodd",
        "fill:#fff;stroke:url(#a)!important",
        "clip-path:url('#a');transform:rotate(1turn)",
        "transform-box:fill-box;transform-origin:center;transform:scale(2)",
        "objectBoundingBox",
    ]
)
NAMES = ["id", "href", "d", "points", "transform", "x", "y", "width", "height", "rx", "r", "cx",
         "viewBox", "preserveAspectRatio", "style", "display", "class", "fill", "stroke", "opacity",
         "stroke-width", "clip-path", "clipPathUnits", "clip-rule", "transform-origin", "color",
         "overflow", "visibility", "systemLanguage"]  # fmt: skip


@st.composite
def element(draw, depth=0):
    tag = draw(st.sampled_from(
        ["g", "svg", "path", "use", "symbol", "defs", "rect", "circle", "ellipse", "line",
         "polyline", "polygon", "a", "other", "clipPath", "linearGradient", "stop", "pattern",
         "switch", "text", "style"]
    ))  # fmt: skip
    attributes = draw(st.dictionaries(st.sampled_from(NAMES), ATTRIBUTE, max_size=5))
    inner = draw(st.lists(element(depth + 1), max_size=3)) if depth < 3 else []
    text = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"<{tag} {text}>{''.join(inner)}</{tag}>"


SELECTOR = st.lists(
    st.sampled_from(["g", "path", ".a", "#a", "*", " ", "gt", ",", ":not(", ")", ":first-child",
                     "[d]", "[d='a']", "::x", "@media ", "{", "}", "~", "+", ":has(", "\\"]),
    max_size=6,
).map("".join)  # fmt: skip


def test_any_svg_gives_sketches_or_read_errors(tmp_path):
    path = tmp_path / "file.svg"

    @hypothesis.settings(SETTINGS, max_examples=SETTINGS.max_examples // 3)
    @hypothesis.given(st.lists(element(), max_size=4), PATH_DATA, st.lists(SELECTOR, max_size=3))
    def run(elements, data, selectors):
        rules = "".join(f"{selector}{{{data}:{data}}}" for selector in selectors)
        path.write_text(
            f'<svg id="a"><style>{rules}</style><path d="M0 0 {data}"/>{"".join(elements)}</svg>'
        )
        check_all(path)

    run()


PICKLE = pickle.dumps([np.arange(6, dtype=np.int16).reshape(2, 3)], 2)[:-1]
OPCODES = [
    bytes([code]) + argument
    for code, argument in [
        *(
            (code, b"")
            for code in b"(.012NQRabedlost)u]}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"
            b"\x97\x98"
        ),
        *((code, b"\x01") for code in b"hKq\x80\x82CUj\x8a\x8c"),
        *((code, b"1\n") for code in b"FIgPpSVL"),
        (ord("c"), b"numpy\ndtype\n"),
        (ord("c"), b"numpy\nndarray\n"),
        (ord("c"), b"numpy.core.multiarray\n_reconstruct\n"),
        (ord("c"), b"_codecs\nencode\n"),
        (ord("i"), b"numpy\nndarray\n"),
        (ord("X"), b"\x02\x00\x00\x00i2"),
        (ord("B"), b"\x02\x00\x00\x00ab"),
        (ord("M"), b"\xff\xff"),
        (ord("J"), b"\xff\xff\xff\xff"),
    ]
]


@SETTINGS
@hypothesis.given(st.lists(st.sampled_from(OPCODES), max_size=30), st.booleans())
def test_any_opcodes_give_arrays_or_unpickle_errors(opcodes, after_an_array):
    data = (PICKLE if after_an_array else b"\x80\x02") + b"".join(opcodes) + b"."
    try:
        found = safe_pickle.load(data)
    except safe_pickle.UnpickleError:
        return
    assert isinstance(found, (np.ndarray, safe_pickle.ObjectArray))
