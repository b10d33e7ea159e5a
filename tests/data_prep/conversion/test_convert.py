import numpy as np
import pytest

from data_prep.conversion import convert, simplify, splits
from data_prep.readers.source import Polylines, RawSketch


class _Unit:
    """Stands for a reader's unit."""

    def __init__(self, sketches):
        self._sketches = sketches

    def read(self, on_skip=None):
        yield from self._sketches


def _rows(count, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32) * 10
    rows[:, 2] = 0
    rows[-1:, 2] = 1
    return rows


def _sketch(rows, key="a", label="cat", **fields):
    return RawSketch(key, label, "here", offsets=rows, **fields)


def _batch(sketches, **options):
    (batch,) = convert.batches(3, _Unit(sketches), convert.Options(**options))
    return batch


@pytest.mark.parametrize(
    ("points", "options", "reason"),
    [
        (0, {}, convert.EMPTY),
        (1, {}, convert.TOO_SHORT),
        (4, {"min_points": 5}, convert.TOO_SHORT),
        (9, {"max_seq_len": 8}, convert.TOO_LONG),
    ],
)
def test_what_does_not_fit_is_dropped_for_a_reason(points, options, reason):
    assert convert.convert(_sketch(_rows(points)), convert.Options(**options)) == (None, 0, reason)


def test_what_just_fits_is_kept_as_it_is():
    rows = _rows(8)

    kept, points, reason = convert.convert(
        _sketch(rows), convert.Options(min_points=8, max_seq_len=8)
    )

    np.testing.assert_array_equal(kept, rows)
    assert (points, reason) == (8, None)


def test_a_drawing_that_is_cut_ends_with_the_pen_lifted_and_is_counted():
    rows = _rows(9)

    batch = _batch([_sketch(rows)], max_seq_len=5, too_long="cut")

    np.testing.assert_array_equal(batch.strokes[0][:, :2], rows[:5, :2])
    assert batch.strokes[0][:, 2].tolist() == [0, 0, 0, 0, 1]
    assert rows[4, 2] == 0  # the reader's own array is not touched
    assert batch.tally.cut == {"cat": 1}


def test_polylines_are_cut_to_the_same_points_as_their_rows():
    drawing = [np.random.default_rng(0).normal(size=(n, 2)) for n in (3, 1, 4)]
    sketch = RawSketch("k", "cat", "w", polylines=Polylines.of(drawing), simplified=True)
    rows = sketch.to_stroke3().astype(np.float32)

    for points in range(2, 9):
        batch = _batch([sketch], max_seq_len=points, too_long="cut")
        expected = rows[:points].copy()
        expected[-1, 2] = 1
        np.testing.assert_array_equal(batch.strokes[0], expected)


def test_drawings_converted_together_are_those_converted_alone():
    generator = np.random.default_rng(0)
    sketches = [
        RawSketch(str(i), "cat", "w", Polylines.of([generator.normal(size=(9, 2)) * 99] * (i + 1)))
        if i % 2
        else _sketch(_rows(6, i), key=str(i))
        for i in range(9)
    ]

    batch = _batch(sketches)

    for key, strokes in zip(batch.keys, batch.strokes, strict=True):
        alone = simplify.convert(sketches[int(key)], simplify.Simplification())
        np.testing.assert_array_equal(strokes, alone.astype(np.float32))


def test_a_hopelessly_complex_drawing_is_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(simplify, "MAX_POINTS", 10)
    scribble = Polylines.of([np.random.default_rng(0).normal(size=(99, 2))])
    sketch = RawSketch("k", "cat", "w", polylines=scribble)

    assert _batch([sketch]).tally.dropped == {(convert.TOO_COMPLEX, "cat"): 1}


def test_a_batch_is_sorted_by_a_hash_of_the_keys_and_keeps_rows_together():
    sketches = [_sketch(_rows(i + 2, i), key=f"k{i}", label="ab"[i % 2]) for i in range(20)]

    batch = _batch(sketches)

    orders = batch.rows["order"].tolist()
    assert orders == sorted(orders)
    assert batch.keys != sorted(batch.keys)
    for key, row, strokes in zip(batch.keys, batch.rows, batch.strokes, strict=True):
        number = int(key[1:])
        np.testing.assert_array_equal(strokes, _rows(number + 2, number))
        assert batch.labels[row["label"]] == "ab"[number % 2]
        assert (row["unit"], row["position"], row["points"]) == (3, number, number + 2)


def test_the_seed_changes_the_order_but_no_split():
    sketches = [_sketch(_rows(3), key=f"k{i}") for i in range(20)]

    first, second = _batch(sketches), _batch(sketches, seed=1)

    assert first.keys != second.keys
    places = dict(zip(first.keys, first.rows["place"], strict=True))
    assert places == dict(zip(second.keys, second.rows["place"], strict=True))


def test_a_group_has_one_place_and_a_files_split_is_kept_unless_it_is_split_anew():
    sketches = [_sketch(_rows(3), key=f"k{i}", group="g", split="valid") for i in range(3)]

    assert len(set(_batch(sketches).rows["place"])) == 1
    assert set(_batch(sketches).rows["split"]) == {1}
    assert set(_batch(sketches, resplit=True).rows["split"]) == {splits.BY_HASH}


def test_a_large_unit_comes_in_several_batches(monkeypatch):
    monkeypatch.setattr(convert, "BATCH_BYTES", 500)
    sketches = [_sketch(_rows(10), key=f"k{i}") for i in range(50)]

    batches = list(convert.batches(0, _Unit(sketches), convert.Options()))

    assert len(batches) > 5
    assert sum(batch.tally.read for batch in batches) == 50
    assert {key for batch in batches for key in batch.keys} == {b"k%d" % i for i in range(50)}


def test_the_same_drawing_in_two_classes_is_no_duplicate():
    batch = _batch([_sketch(_rows(5), "a", "ball"), _sketch(_rows(5), "b", "sun")])

    assert len(set(batch.rows["signature"])) == 2


def test_positions_are_told_from_offsets(shared_data):
    npz = np.load(shared_data("sketchrnn/aaron_sheep.npz"), allow_pickle=True, encoding="latin1")
    offsets = [rows.astype(np.float32) for rows in npz["valid"]]
    positions = [np.c_[np.cumsum(rows[:, :2], axis=0) + 300, rows[:, 2]] for rows in offsets]

    assert not _batch([_sketch(rows) for rows in offsets]).tally.looks_absolute()
    assert _batch([_sketch(rows.astype(np.float32)) for rows in positions]).tally.looks_absolute()


def test_tallies_add_up_and_survive_json():
    first, second = (_batch([_sketch(_rows(n), "k", "cat")]).tally for n in (1, 9))

    total = convert.Tally().add(first).add(convert.Tally.from_json(second.to_json()))

    assert total.read == 2
    assert total.dropped == {(convert.TOO_SHORT, "cat"): 1}
    np.testing.assert_array_equal(total.moments, second.moments)


@pytest.mark.parametrize("fields", [{"too_long": "keep"}, {"max_seq_len": 1}])
def test_senseless_options_are_refused(fields):
    with pytest.raises(ValueError, match=r"too_long|max_seq_len"):
        convert.Options(**fields)
