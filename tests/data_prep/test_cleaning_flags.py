"""The flags of cleaning and tracing, from files to a data set and its sheet of pairs."""

import itertools
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from data_prep import inspect_dataset, prepare
from data_prep.conversion import simplify
from data_prep.readers.source import Polylines, RawSketch
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError

SPLITS = "100,0,0"


def circle(x, y, radius):
    angles = np.linspace(0, 2 * np.pi, 40)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


@pytest.fixture
def flawed(tmp_path):
    """Returns a file of two drawings: a line in two strokes with a slip, a ring drawn twice."""
    left, right = [[0, 0], [50, 1]], [[50.3, 1], [100, 0], [100, 80]]
    slip = [[30, 30], [30.2, 30.1]]
    ring = circle(0, 0, 50)
    drawings = [[left, right, slip], [ring.tolist(), (ring + 0.4).tolist(), [[-9, 0], [9, 1]]]]
    path = tmp_path / "flawed.json"
    path.write_text(json.dumps(drawings))
    return path


def records(folder):
    found = dataset.read_split(folder, "train")
    return {record.key.decode(): record.strokes for record in found}


def run(path, folder, *flags):
    arguments = [f"--input={path}", f"--output_dir={folder}", f"--splits={SPLITS}", "--workers=1"]
    assert prepare.run([*arguments, *flags]) == 0
    return dataset.read_info(folder)


def test_clean_takes_its_three_steps_and_counts_them(tmp_path, flawed, capsys):
    info = run(flawed, tmp_path / "out", "--clean")
    assert info.cleaned == {
        "doubled_strokes_dropped": {"flawed": 1},
        "specks_dropped": {"flawed": 1},
        "strokes_joined": {"flawed": 1},
    }
    assert info.cleaning == {"drop_specks": True, "drop_doubled": True, "join_strokes": True}
    assert sorted(rows[:, 2].sum() for rows in records(tmp_path / "out").values()) == [1, 2]
    assert "strokes joined: 1 (flawed 1)" in capsys.readouterr().out


def test_a_step_is_a_flag_and_can_be_left_out(tmp_path, flawed):
    assert set(run(flawed, tmp_path / "a", "--join_strokes").cleaned) == {"strokes_joined"}
    info = run(flawed, tmp_path / "b", "--clean", "--nojoin_strokes")
    assert set(info.cleaned) == {"doubled_strokes_dropped", "specks_dropped"}
    info = run(flawed, tmp_path / "c")
    assert info.cleaned == {}
    assert info.cleaning == {}


@pytest.mark.large
def test_cleaned_shards_are_the_same_bytes_from_beam(tmp_path, flawed):
    pytest.importorskip("apache_beam")
    flags = ("--clean", "--stroke_order=shortest", "--points_per_drawing=12", "--center")
    run(flawed, tmp_path / "local", *flags)
    arguments = [f"--input={flawed}", f"--output_dir={tmp_path / 'beam'}", f"--splits={SPLITS}"]
    assert prepare.run([*arguments, "--engine=beam", *flags]) == 0
    one, other = (dataset.read_info(tmp_path / name) for name in ("local", "beam"))
    assert one.shards == other.shards
    assert one.cleaned == other.cleaned


def test_each_drawing_has_its_own_budget_of_points(tmp_path, flawed):
    info = run(flawed, tmp_path / "out", "--points_per_drawing=10")
    lengths = sorted(map(len, records(tmp_path / "out").values()))
    assert lengths[-1] == 10
    assert info.simplification["points"] == 10
    assert info.cleaned["drawings_at_points_per_drawing"] == {"flawed": 1}


def test_a_budget_spends_its_points_where_the_line_is_farthest_off():
    generator = np.random.default_rng(0)
    walk = [np.cumsum(generator.normal(size=(n, 2)), axis=0) for n in (60, 1, 35)]
    for budget in (2, 7, 9, 30, 90, 500):
        masks = simplify.budgeted_masks(walk, budget)
        count = sum(map(np.count_nonzero, masks))
        assert count == min(max(budget, 5), 96)
    # what a budget keeps is what the algorithm keeps at the epsilon that needs as many points
    for epsilon in (0.5, 1.5, 4.0):
        expected = [simplify.simplified_mask(stroke, epsilon) for stroke in walk]
        masks = simplify.budgeted_masks(walk, sum(map(np.count_nonzero, expected)))
        off = [_farthest(stroke, mask) for stroke, mask in zip(walk, masks, strict=True)]
        assert max(off) <= max(map(_farthest, walk, expected)) * 1.5


def _farthest(stroke, mask):
    """Returns how far points of a stroke lie from the line through those of a mask."""
    kept, far = np.flatnonzero(mask), 0.0
    for first, last in itertools.pairwise(kept):
        chord = stroke[last] - stroke[first]
        along = np.clip((stroke[first:last] - stroke[first]) @ chord / (chord @ chord), 0, 1)
        apart = stroke[first:last] - stroke[first] - along[:, None] * chord
        far = max(far, float(np.hypot(*apart.T).max()))
    return far


def test_a_budget_holds_for_drawings_of_every_form():
    ring = circle(0, 0, 100)
    rows = np.concatenate([np.diff(ring, axis=0, prepend=ring[:1]), np.zeros((40, 1))], axis=1)
    rows[-1, 2] = 1
    how = simplify.Simplification(points=9, published=True)
    for sketch in (
        RawSketch("k", "c", "x", polylines=Polylines.of([ring])),
        RawSketch("k", "c", "x", polylines=Polylines.of([ring]), simplified=True),
        RawSketch("k", "c", "x", offsets=rows.astype(np.float32), simplified=True),
    ):
        assert len(simplify.convert(sketch, how)) == 9
    assert simplify.Simplification.from_json(how.to_json()) == how


def test_a_centered_drawing_begins_as_seen_from_its_middle(tmp_path, flawed):
    info = run(flawed, tmp_path / "out", "--center")
    assert info.simplification["center"] is True
    for rows in records(tmp_path / "out").values():
        places = np.cumsum(rows[:, :2], axis=0)
        np.testing.assert_allclose(places.min(axis=0) + places.max(axis=0), 0, atol=1e-3)
    sketch = RawSketch("k", "c", "x", polylines=Polylines.of([circle(7, 9, 50)]))
    rows = simplify.convert(sketch, simplify.Simplification.from_json(info.simplification))
    np.testing.assert_allclose(rows[0], (127.5, 0, 0), atol=2)


@pytest.fixture
def scans(tmp_path):
    """Returns a folder with a sheet of six rings, each with a bar in it, and an empty page."""
    folder = tmp_path / "scans"
    folder.mkdir()
    page = Image.new("L", (620, 420), 245)
    pencil = ImageDraw.Draw(page)
    for x in (100, 310, 520):
        for y in (100, 310):
            pencil.ellipse((x - 60, y - 60, x + 60, y + 60), outline=30, width=4)
            pencil.line((x - 25, y, x + 30, y + x / 20), fill=30, width=4)
    page.save(folder / "page.png")
    Image.new("L", (300, 300), 250).save(folder / "zempty.jpg")
    return folder


def test_a_scanned_sheet_becomes_its_drawings(tmp_path, scans, capsys):
    pytest.importorskip("skimage")
    info = run(scans, tmp_path / "out", "--trace", "--split_sheets")
    assert sorted(records(tmp_path / "out")) == [f"page.png#{i}" for i in range(1, 7)]
    assert all(rows[:, 2].sum() == 2 for rows in records(tmp_path / "out").values())
    assert info.cleaned["drawings_from_sheets"] == {"scans": 6}
    assert info.dropped["empty"] == {"scans": 1}
    assert info.reading["format"] == "picture"

    assert inspect_dataset.run([f"--data_dir={tmp_path / 'out'}", "--before_after"]) == 0
    picture = Image.open(tmp_path / "out" / "before_after.png").convert("RGB")
    assert len(picture.getcolors(1 << 24)) > 20
    assert (tmp_path / "out" / "before_after.svg").read_text().count("page.png#") >= 6
    assert "drawings from sheets: 6" in capsys.readouterr().out


def test_before_after_needs_the_sources(tmp_path, flawed, capsys):
    run(flawed, tmp_path / "out", "--clean")
    flawed.unlink()
    assert inspect_dataset.run([f"--data_dir={tmp_path / 'out'}", "--before_after"]) == 1
    assert "read from their sources" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--sheet_gap=0.1"], "--sheet_gap needs --split_sheets"),
        (["--points_per_drawing=9", "--target_length=9"], "either --points_per_drawing or"),
        (["--trace", "--format=svg"], "--trace reads pictures"),
        (["--points_per_drawing=1"], "points_per_drawing"),
        (["--stroke_order=best"], "stroke_order"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(tmp_path, flawed, capsys, flags, expected):
    arguments = [f"--input={flawed}", f"--output_dir={tmp_path / 'out'}"]
    assert prepare.run([*arguments, *flags]) == 2
    assert expected in capsys.readouterr().err


def test_a_simplification_without_sense_is_refused():
    for fields in ({"points": 1}, {"method": "none", "points": 9}):
        with pytest.raises(UserError, match="points"):
            simplify.Simplification(**fields)
