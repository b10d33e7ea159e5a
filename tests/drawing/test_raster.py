"""PNG and GIF: ink where the drawing is, in the order in which it was drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sketch_rnn_tf import drawing
from sketch_rnn_tf.drawing import fonts


def _gray(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("L")).astype(int)


def _frames(content: bytes) -> tuple[list[np.ndarray], list[int]]:
    image = Image.open(io.BytesIO(content))
    arrays, times = [], []
    for i in range(image.n_frames):
        image.seek(i)
        arrays.append(np.asarray(image.convert("L")).astype(int))
        times.append(image.info["duration"])
    return arrays, times


def test_every_point_and_middle_of_a_line_is_ink(house):
    zoom = 2
    pixels = _gray(drawing.png(house, zoom=zoom))
    cell = drawing.lay_out(house).cells[0]
    points = (np.cumsum(house[:, :2], axis=0) - cell.middle) * cell.scale + cell.center
    for i, (x, y) in enumerate(points * zoom):
        assert pixels[int(y), int(x)] < 60
        if i and not house[i - 1, 2]:
            u, v = (points[i] + points[i - 1]) / 2 * zoom
            assert pixels[int(v), int(u)] < 60
    x, y = (points[4] + points[5]) / 2 * zoom  # the pen is lifted between these
    assert pixels[int(y), int(x)] > 200


def test_edges_are_smooth(house):
    pixels = _gray(drawing.png([[0, 0, 0], [30, 17, 1]], zoom=1))
    assert ((pixels > 60) & (pixels < 220)).sum() > 50
    assert pixels.min() < 40
    assert pixels.max() == 255


def test_one_point_is_a_dot_in_the_middle():
    pixels = _gray(drawing.png([[9, 9, 1]], size=64, zoom=4))
    ys, xs = np.nonzero(pixels < 128)
    assert 12 < len(ys) < 60
    np.testing.assert_allclose([ys.mean(), xs.mean()], (np.array(pixels.shape) - 1) / 2, atol=0.6)


def test_blank_cells_are_white():
    for nothing in ([], [None]):
        assert (_gray(drawing.png(nothing)) == 255).all()
        frames, _ = _frames(drawing.gif(nothing))
        assert len(frames) == 1
        assert (frames[0] == 255).all()


def test_odd_drawings_leave_ink(odd):
    darkest = 255 if len(odd) == 0 else 60
    assert _gray(drawing.png(odd)).min() <= darkest
    assert _frames(drawing.gif(odd))[0][-1].min() <= darkest


def test_zoom_and_size_set_the_pixels(house):
    for size, zoom in ((16, 1), (64, 0.5), (100, 3), (1500, 1)):
        picture = drawing.lay_out([house], size=size)
        image = Image.open(io.BytesIO(drawing.png(house, size=size, zoom=zoom)))
        assert image.size == (picture.width * zoom, picture.height * zoom)


def test_a_given_part_has_its_own_color(house):
    sketch = drawing.Sketch(house, given=5)
    image = Image.open(io.BytesIO(drawing.png(sketch, given_color="#ff0000", colors="#0000ff")))
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()
    red, blue = pixels.count([255, 0, 0]), pixels.count([0, 0, 255])
    assert red > blue > 100


def test_without_background_a_png_is_transparent(house):
    image = Image.open(io.BytesIO(drawing.png(house, background=None)))
    alpha = np.asarray(image)[..., 3]
    assert alpha.min() == 0
    assert alpha.max() == 255


def test_captions_and_marks_leave_ink_below_the_cells(house):
    plain = _gray(drawing.png([house, house], captions=[None, None]))
    words = _gray(drawing.png([house, house], captions=["house 1", None]))
    marks = _gray(drawing.png([house, house], marks={1: "odd one"}))
    assert (words < 160).sum() > (plain < 160).sum() + 50
    half = plain.shape[1] // 2
    assert (words[:, half:] < 255).sum() == (plain[:, half:] < 255).sum()
    assert (marks[:, half:] < 160).sum() > (plain[:, half:] < 160).sum() + 500


def test_a_gif_draws_stroke_after_stroke(house):
    frames, times = _frames(drawing.gif(house))
    ink = [int((frame < 128).sum()) for frame in frames]
    assert ink[0] == 0
    assert ink == sorted(ink)
    assert len(frames) > 20
    cell = drawing.lay_out(house).cells[0]
    points = (np.cumsum(house[:, :2], axis=0) - cell.middle) * cell.scale + cell.center
    seen = [next(i for i, f in enumerate(frames) if f[int(y), int(x)] < 128) for x, y in points]
    assert seen[0] < seen[1] < seen[2] < seen[3] < seen[5] < seen[6] < seen[7]
    assert 1000 < sum(times[:-1]) < 8000
    assert times[-1] >= 1500


def test_the_last_frame_is_the_picture(house):
    frames, _ = _frames(drawing.gif([house, house[:3]], captions=["a", "b"]))
    picture = _gray(drawing.png([house, house[:3]], captions=["a", "b"], zoom=1))
    assert np.abs(frames[-1] - picture).max() <= 10  # 6 in the palette, 4 in Pillow's lookup
    assert frames[-1].max() == picture.max() == 255


def test_a_gif_repeats_for_ever(house):
    assert Image.open(io.BytesIO(drawing.gif(house))).info["loop"] == 0


def test_a_very_long_drawing_takes_no_longer_than_eight_seconds(long):
    frames, times = _frames(drawing.gif(long, size=64))
    assert sum(times[:-1]) <= 8050
    assert len(frames) <= 162
    assert (frames[-1] < 128).sum() > 100


def test_all_cells_of_a_gif_are_drawn_at_the_same_time(house):
    frames, _ = _frames(drawing.gif([house, house], columns=2))
    middle = frames[len(frames) // 2]
    np.testing.assert_array_equal(middle[:, 8:136], middle[:, 144:272])
    assert (middle < 128).any()


def _at(content: bytes, milliseconds: int) -> np.ndarray:
    """Returns the frame that is shown at a time."""
    frames, times = _frames(content)
    return frames[int(np.searchsorted(np.cumsum(times), milliseconds, side="right"))]


def test_a_long_drawing_does_not_hurry_the_others(house, long):
    long = long * [*[30 / np.ptp(np.cumsum(long[:, :2], axis=0), axis=0).max()] * 2, 1]
    alone, beside = drawing.gif([house, None]), drawing.gif([house, long])
    for time in (520, 1020, 2020):
        np.testing.assert_array_equal(_at(beside, time)[:, 8:136], _at(alone, time)[:, 8:136])


def test_the_same_drawing_gives_the_same_bytes(house):
    for make in (drawing.png, drawing.gif):
        assert make([house], captions=["a"]) == make([house.copy()], captions=["a"])


def test_pictures_that_would_fill_the_memory_are_refused(house):
    with pytest.raises(ValueError, match="too large"):
        drawing.png(house, size=8000)
    with pytest.raises(ValueError, match="too large"):
        drawing.gif([house] * 400)
    for zoom in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="zoom"):
            drawing.png(house, zoom=zoom)


def _letters(text: str) -> np.ndarray:
    """Returns where a caption has ink, its rows and columns cut to it."""
    pixels = _gray(drawing.png([None], captions=[text], size=200, zoom=4)) < 128
    return pixels[np.ix_(pixels.any(axis=1), pixels.any(axis=0))]


def test_letters_of_other_languages_are_letters_and_no_boxes():
    signs = [_letters(letter) for letter in "\u0378üëßéñЖЩλΩ→½…"]  # U+0378 is no letter
    assert signs[0].any()
    pictures = {sign.tobytes() + bytes(str(sign.shape), "ascii") for sign in signs}
    assert len(pictures) == len(signs)
    plain, dotted = _letters("u"), _letters("ü")
    assert dotted.shape[0] > plain.shape[0]  # the dots stand above ...
    below = dotted[-plain.shape[0] :]
    assert (below[:, : plain.shape[1]] == plain).mean() > 0.9  # ... the same letter
    dots = dotted[: dotted.shape[0] - plain.shape[0] - 2]
    columns = dots.any(axis=0)
    assert np.count_nonzero(np.diff(columns.astype(int)) == 1) + columns[0] == 2


def test_chinese_letters_are_drawn_where_a_font_has_them():
    if fonts.missing("鱼猫"):
        pytest.skip("needs a font with Chinese letters: the extra [cjk], or Noto CJK installed")
    fish, cat = _letters("鱼"), _letters("猫")
    assert fish.shape != cat.shape or (fish != cat).mean() > 0.1
    strokes_of_fish = fish[: fish.shape[0] // 2].sum(axis=1) > 0.4 * fish.shape[1]
    assert strokes_of_fish.any()  # the long lines of the box in 鱼, thin letters have none


def test_a_letter_that_no_font_has_is_its_code_point():
    assert fonts.missing("a\u0378b") == "\u0378"
    assert [part for part, _ in fonts.pieces("a\u0378b", 11)] == ["a", "U+0378", "b"]


def test_an_empty_drawing_is_called_so():
    pixels = _gray(drawing.png([np.zeros((0, 3))]))
    ys, xs = np.nonzero(pixels < 160)
    assert len(ys) > 50
    assert abs(ys.mean() - pixels.shape[0] / 2) < 12
    assert abs(xs.mean() - pixels.shape[1] / 2) < 12


def test_a_smooth_circle_is_rounder_than_its_points():
    angles = np.linspace(0, 2 * np.pi, 9)
    points = 50 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points[-1] = points[0]
    rows = np.c_[np.diff(points, axis=0, prepend=points[:1]), np.zeros(9)].astype(np.float32)
    rows[-1, 2] = 1

    def radii(**options):
        pixels = _gray(drawing.png([rows], size=400, zoom=2, stroke_width=1, **options)) < 128
        ys, xs = np.nonzero(pixels)
        middle = (np.array(pixels.shape) - 1) / 2
        return np.hypot(ys - middle[0], xs - middle[1])

    angular, smooth = radii(), radii(smooth=True)
    assert np.ptp(angular) / angular.max() > 0.06  # an octagon: 1 - cos(pi / 8) is 0.076
    assert np.ptp(smooth) / smooth.max() < 0.025
