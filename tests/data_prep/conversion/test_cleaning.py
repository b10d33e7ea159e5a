import itertools
from collections import Counter

import numpy as np
import pytest

from data_prep.conversion import cleaning
from data_prep.conversion.cleaning import Cleaning, clean
from data_prep.readers.source import Polylines, RawSketch
from sketch_rnn_tf import strokes as stroke_rows
from sketch_rnn_tf.errors import UserError


def circle(x, y, radius, count=60, turn=2 * np.pi):
    angles = np.linspace(0, turn, count)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def line(*points):
    return np.array(points, float)


def raw(strokes, key="k"):
    return RawSketch(key, "cat", "file 1", polylines=Polylines.of(strokes), group=key)


FRAME = line((0, 0), (100, 0), (100, 100), (0, 100), (0, 0))


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_slip_of_the_pen_is_dropped_and_an_eye_stays():
    eye, slip, mouth = (
        line((30, 30), (30, 30)),
        line((60, 40), (60.4, 40.3)),
        line((30, 70), (70, 70)),
    )
    same(cleaning.drop_specks([FRAME, eye, slip, mouth]), [FRAME, eye, mouth])


@pytest.mark.parametrize("place", [(0.5, 50), (100, 100.4), (160, 50)], ids=["on", "at", "apart"])
def test_a_dot_on_a_line_or_apart_from_the_drawing_is_a_speck(place):
    same(cleaning.drop_specks([line(place, place), FRAME]), [FRAME])


def test_specks_are_measured_against_the_drawing_without_them():
    far = line((9000, 0), (9000.5, 0))
    same(cleaning.drop_specks([FRAME, far]), [FRAME])


def test_a_drawing_of_dots_only_stays():
    dots = [line((x, 0), (x, 0)) for x in range(5)]
    same(cleaning.drop_specks(dots), dots)


def test_a_stroke_drawn_twice_is_kept_once():
    again = FRAME[::-1] + 0.7
    same(cleaning.drop_doubled([FRAME, again]), [FRAME])


def test_a_stroke_over_a_part_of_another_is_dropped_and_the_longer_one_kept():
    part = line((20, 0.5), (70, -0.5))
    same(cleaning.drop_doubled([part, FRAME]), [FRAME])


@pytest.mark.parametrize(
    "other",
    [line((20, 0.5), (70, 6)), line((20, 5), (70, 5)), line((50, 50), (50, 50))],
    ids=["leaves it", "parallel", "dot"],
)
def test_a_stroke_that_shows_somewhere_stays(other):
    same(cleaning.drop_doubled([FRAME, other]), [FRAME, other])


def test_sides_of_a_square_become_one_stroke_whatever_their_directions():
    sides = [FRAME[i : i + 2] for i in range(4)]
    sides[1], sides[3] = sides[1][::-1] + 0.4, sides[3][::-1]
    (joined,) = cleaning.join_strokes([sides[i] for i in (2, 0, 3, 1)])
    length = np.hypot(*np.diff(joined, axis=0).T).sum()
    assert length == pytest.approx(400, abs=3)
    assert np.hypot(*(joined[0] - joined[-1])) < 1


def test_where_three_ends_meet_the_smoothest_pair_is_joined():
    left, right = line((0, 50), (50, 50)), line((50.5, 50.2), (100, 52))
    down = line((50.1, 50.1), (50, 100))
    same(cleaning.join_strokes([down, left, right]), [down, np.concatenate([left, right])])


def test_ends_that_do_not_meet_are_not_joined_and_closed_strokes_stay():
    strokes = [circle(0, 0, 50), line((50, 0), (90, 0)), line((94, 0), (120, 0))]
    same(cleaning.join_strokes(strokes), strokes)


def travel(strokes):
    return sum(np.hypot(*(b[0] - a[-1])) for a, b in itertools.pairwise(strokes))


def test_order_by_travel_is_near_the_best_of_all_orders_and_never_longer_than_given():
    generator = np.random.default_rng(0)
    for _ in range(12):
        strokes = list(generator.uniform(0, 100, (5, 2, 2)))
        best = min(
            travel([s[::-1] if flip else s for s, flip in zip(order, flips, strict=True)])
            for order in ([strokes[0], *rest] for rest in itertools.permutations(strokes[1:]))
            for flips in itertools.product((False, True), repeat=5)
            if not flips[0]
        )
        found = cleaning.order_by_travel(strokes)
        assert best - 1e-9 <= travel(found) <= min(travel(strokes), 1.25 * best) + 1e-9
        assert sorted(map(_ends, found)) == sorted(map(_ends, strokes))


def _ends(stroke):
    return tuple(sorted(map(tuple, stroke)))


def test_an_order_that_cannot_be_shortened_is_kept():
    strokes = [line((x, 0), (x + 1, 0)) for x in range(0, 50, 2)]
    assert cleaning.order_by_travel(strokes) is strokes


def face(x, y, size=10):
    """Two eyes and a mouth within a head, and hair that floats above it."""
    return [
        circle(x, y, size),
        circle(x - 3, y - 3, 1),
        line((x + 3, y - 3), (x + 3, y - 3)),
        line((x - 4, y + 4), (x + 4, y + 4)),
        line((x - 5, y - size - 1), (x + 5, y - size - 1)),
    ]


def sheet(rows, columns, pitch_x=32.0, pitch_y=32.0, seed=0):
    shift = np.random.default_rng(seed).uniform(-2, 2, (rows, columns, 2))
    return [
        face(c * pitch_x + shift[r, c, 0], r * pitch_y + shift[r, c, 1])
        for r in range(rows)
        for c in range(columns)
    ]


@pytest.mark.parametrize(
    ("rows", "columns", "pitch"),
    [(1, 2, (32, 32)), (2, 2, (32, 32)), (3, 4, (32, 32)), (4, 5, (29, 60)), (8, 6, (40, 34))],
)
def test_a_sheet_falls_into_its_drawings_in_reading_order(rows, columns, pitch):
    drawings = sheet(rows, columns, *pitch)
    strokes = [stroke for drawing in drawings for stroke in drawing]
    shuffled = np.random.default_rng(1).permutation(len(strokes))
    found = cleaning.split_sheet([strokes[i] for i in shuffled])
    assert len(found) == rows * columns
    for one, other in zip(found, drawings, strict=True):
        assert Counter(map(_bytes, one)) == Counter(map(_bytes, other))


def _bytes(stroke):
    return stroke.tobytes()


def test_one_drawing_is_no_sheet():
    assert len(cleaning.split_sheet(face(0, 0))) == 1
    assert len(cleaning.split_sheet([FRAME, circle(50, 50, 20), line((10, 10), (90, 10))])) == 1


def test_a_gap_that_is_named_decides_what_is_one_drawing():
    strokes = [circle(0, 0, 10), circle(30, 0, 10), circle(90, 0, 10)]  # gaps 10 and 40 of 110
    assert [len(group) for group in cleaning.split_sheet(strokes, 0.05)] == [1, 1, 1]
    assert [len(group) for group in cleaning.split_sheet(strokes, 0.2)] == [2, 1]
    assert [len(group) for group in cleaning.split_sheet(strokes, 0.5)] == [3]


ALL = Cleaning(
    split_sheets=True,
    drop_specks=True,
    drop_doubled=True,
    join_strokes=True,
    stroke_order="shortest",
)


def test_steps_are_counted_and_drawings_of_a_sheet_have_keys_of_their_own():
    strokes = [stroke for drawing in sheet(2, 3) for stroke in drawing]
    found, counts = clean(
        raw([*strokes, strokes[0] + 0.05, line((1, 1), (1.1, 1.05))], "page"), ALL
    )
    assert [drawing.key for drawing in found] == [f"page#{i}" for i in range(1, 7)]
    assert [drawing.group for drawing in found] == [drawing.key for drawing in found]
    assert counts["sheets_split"] == 1
    assert counts["drawings_from_sheets"] == 6
    assert counts["doubled_strokes_dropped"] == 1
    assert counts["specks_dropped"] == 1
    assert all(drawing.label == "cat" for drawing in found)


def test_what_no_step_changes_comes_back_as_it_was():
    drawing = raw([FRAME, circle(50, 50, 20)])
    for how in (ALL, Cleaning()):
        (found,), counts = clean(drawing, how)
        assert found is drawing
        assert not counts
    empty = raw([])
    assert clean(empty, ALL) == ([empty], Counter())


def test_cleaning_a_clean_drawing_changes_nothing_more():
    sides = [FRAME[i : i + 2] for i in range(4)]
    (once,), _ = clean(raw([*sides, FRAME + 0.3, line((7, 7), (7.2, 7.1))]), ALL)
    (twice,), counts = clean(once, ALL)
    assert not counts
    same(twice.to_polylines(), once.to_polylines())


def test_published_rows_stay_rows_with_their_first_offset():
    strokes = [line((5, 7), (50, 7)), line((50, 7), (90, 9)), line((20, 40), (60, 80))]
    rows = stroke_rows.polylines_to_stroke3(strokes).astype(np.float32)
    drawing = RawSketch("k", "cat", "x", offsets=rows, simplified=True)
    (found,), counts = clean(drawing, Cleaning(join_strokes=True))
    assert counts == {"strokes_joined": 1}
    np.testing.assert_array_equal(found.offsets[0], (5, 7, 0))
    same(found.to_polylines(), [line((5, 7), (50, 7), (90, 9)), strokes[2]])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_what_is_done_does_not_depend_on_the_size_of_a_drawing(scale):
    sides = [FRAME[i : i + 2] for i in range(4)]
    strokes = [*sides, FRAME + 0.3, line((7, 7), (7.2, 7.1)), line((50, 50), (50, 50))]
    (found,), counts = clean(raw([scale * stroke for stroke in strokes]), ALL)
    assert counts["specks_dropped"] == 1
    assert counts["doubled_strokes_dropped"] == 4
    assert len(found.to_polylines()) == 2


def test_hundreds_of_strokes_take_a_moment_only():
    generator = np.random.default_rng(0)
    strokes = list(generator.uniform(0, 1000, (900, 1, 2)) + generator.normal(0, 9, (900, 6, 2)))
    found, _ = clean(raw(strokes), ALL)
    assert found


@pytest.mark.parametrize(
    "fields",
    [{"stroke_order": "best"}, {"sheet_gap": 0.1}, {"split_sheets": True, "sheet_gap": 2.0}],
)
def test_settings_without_a_meaning_are_refused(fields):
    with pytest.raises(UserError, match=r"stroke_order|sheet_gap"):
        Cleaning(**fields)
