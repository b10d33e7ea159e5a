"""What is traced is held against the strokes that a picture was drawn from."""

import importlib.metadata
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage, spatial

from data_prep import readers
from data_prep.conversion import simplify

pytest.importorskip("skimage", reason="needs the extra [trace]")
from data_prep.conversion import tracing


def drawn(strokes, shape=(300, 300), pen=4):
    """Draws strokes with a round pen, four times as large and then made smaller: black on white."""
    zoom = 4
    image = Image.new("L", (shape[1] * zoom, shape[0] * zoom), 255)
    pencil = ImageDraw.Draw(image)
    for stroke in strokes:
        for x, y in simplify.resample(np.asarray(stroke, float), 0.25) * zoom:
            reach = pen * zoom / 2
            pencil.ellipse((x - reach, y - reach, x + reach, y + reach), fill=0)
    return np.asarray(image.reduce(zoom), np.float32) / 255


def as_scan(picture, seed=0, paper=True, noise=0.03, blur=0.8):
    """Makes a picture look scanned: pale ink, blur, a shadow over the paper, noise, JPEG."""
    generator = np.random.default_rng(seed)
    ink = 0.8 * ndimage.gaussian_filter(1 - picture, blur)
    height, width = picture.shape
    y, x = np.mgrid[:height, :width] / max(picture.shape)
    shade = 0.9 - 0.35 * x * y - 0.1 * np.cos(5 * x + 3 * y) if paper else np.ones_like(x)
    scan = shade * (1 - ink) + generator.normal(0, noise, picture.shape)
    stream = io.BytesIO()
    Image.fromarray((np.clip(scan, 0, 1) * 255).astype(np.uint8)).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream), np.float32) / 255


def dense(strokes):
    return np.concatenate([simplify.resample(np.asarray(s, float), 0.5) for s in strokes])


def shares(truth, found, near=2.0):
    """Returns the share of the true lines that was found, and of the found ones that is true."""
    one, other = dense(truth), dense(found)
    recovered = (spatial.cKDTree(other).query(one)[0] <= near).mean()
    return recovered, (spatial.cKDTree(one).query(other)[0] <= near).mean()


def arc(x, y, radius, start=0.0, end=2 * np.pi):
    angles = np.linspace(start, end, 80)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


WAVE = np.stack([np.linspace(30, 270, 90), 150 + 60 * np.sin(np.linspace(0, 9, 90))], axis=1)
SYNTHETIC = {
    "line": [[(40, 60), (250, 200)]],
    "ring": [arc(150, 150, 90)],
    "wave": [WAVE],
    "crossing": [[(40, 40), (260, 240)], [(250, 50), (60, 250)]],
    "flat crossing": [[(30, 130), (270, 170)], [(30, 170), (270, 130)]],
    "tee": [[(40, 80), (260, 90)], [(150, 85), (140, 260)]],
    "star": [[(150, 30), (150, 270)], [(40, 100), (260, 200)], [(40, 200), (260, 100)]],
    "ring and line": [arc(150, 150, 80), [(30, 150), (270, 155)]],
    "dots": [arc(150, 150, 100), [(120, 120), (120, 120)], [(180, 120), (180, 120)]],
    "eight": [np.stack([150 + 90 * np.sin(2 * t), 150 + 110 * np.sin(t)], axis=1)
              for t in [np.linspace(0.3, 0.3 + 2 * np.pi, 200)]],
    "rings that touch not": [arc(90, 150, 50), arc(205, 150, 50)],
}  # fmt: skip


@pytest.mark.parametrize("pen", [2, 4, 9])
@pytest.mark.parametrize("name", SYNTHETIC)
def test_strokes_of_figures_are_found_each(name, pen):
    truth = SYNTHETIC[name]
    for picture in (drawn(truth, pen=pen), as_scan(drawn(truth, pen=pen))):
        found = tracing.trace(picture)
        assert len(found) == len(truth)
        recovered, right = shares(truth, found)
        assert recovered > 0.98
        assert right > 0.98


def fitted(strokes, side=400):
    points = np.concatenate(strokes)
    low, extent = points.min(axis=0), np.ptp(points, axis=0).max()
    return [(stroke - low) / extent * 0.84 * side + 0.08 * side for stroke in strokes]


@pytest.fixture(scope="module")
def known_drawings():
    """Returns 8 characters of KanjiVG and 8 of the example drawings, strokes in a box of 400."""
    try:
        importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs the package kanjivg")
    kanji = [next(unit.read()) for unit in list(readers.units("package:kanjivg"))[::12]]
    examples = list(readers.read("examples/drawings"))[::4]
    return [fitted(sketch.to_polylines()) for sketch in [*kanji[:8], *examples]]


@pytest.mark.parametrize(("pen", "scanned"), [(3, False), (4, True), (8, True)])
def test_ink_is_recovered_and_strokes_are_counted_as_they_were_drawn(known_drawings, pen, scanned):
    recovered, right, counts = [], [], []
    for seed, truth in enumerate(known_drawings):
        picture = drawn(truth, (400, 400), pen)
        found = tracing.trace(as_scan(picture, seed) if scanned else picture)
        for shown, share in zip((recovered, right), shares(truth, found), strict=True):
            shown.append(share)
        counts.append((len(truth), len(found)))
    true, traced = np.array(counts).T
    assert min(recovered) >= 0.95
    assert min(right) >= 0.95
    assert np.mean(recovered) >= 0.98
    assert 0.8 <= traced.sum() / true.sum() <= 1.2
    assert np.mean(np.abs(traced - true) / true) <= 0.2


def test_a_straight_line_is_found_within_a_third_of_a_pixel():
    truth = [(40, 60.3), (250, 203.1)]
    (found,) = tracing.trace(drawn([truth], pen=5))
    inner = simplify.resample(found, 1.0)[4:-4]
    along = np.subtract(truth[1], truth[0]) / np.hypot(*np.subtract(truth[1], truth[0]))
    across = (inner - truth[0]) @ (-along[1], along[0])
    assert np.abs(across).max() < 0.35
    assert np.abs(found[0] - truth[0]).max() < 2
    assert np.abs(found[-1] - truth[1]).max() < 2


@pytest.mark.parametrize("pen", [3, 4, 5])
def test_hatching_is_found_line_for_line(pen):
    lines = [
        np.array([[40 + left, 40.0], [160 + left, 160.0]])
        for left in np.arange(8) * (3 * pen + 0.3)
    ]
    found = tracing.trace(drawn(lines, pen=pen))
    assert len(found) == len(lines)
    for line, traced in zip(lines, sorted(found, key=lambda one: one[0, 0]), strict=True):
        np.testing.assert_allclose(traced[[0, -1]], line, atol=2)


def test_strokes_begin_at_the_top_left_and_follow_in_that_order():
    truth = [[(250, 250), (60, 240)], [(150, 20), (140, 200)], arc(60, 60, 30, 1, 7.28)]
    ring, bar, foot = tracing.trace(drawn(truth))
    assert np.abs(ring[0] - ring[-1]).max() == 0
    assert np.abs(ring[0] - (60 - 21, 60 - 21)).max() < 4
    x, y = ring.T
    assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0  # clockwise as seen
    assert np.abs(bar[0] - (150, 20)).max() < 3
    assert np.abs(foot[0] - (60, 240)).max() < 3


@pytest.mark.parametrize(
    ("paper", "ink"),
    [
        ((1, 1, 1), (0, 0, 0)),
        ((0.1, 0.2, 0.15), (0.9, 0.9, 0.85)),
        ((1, 1, 1), (1, 0.9, 0)),
        ((0.95, 0.9, 0.4), (0.1, 0.1, 0.6)),
        ((0.6, 0.5, 0.4), (1, 1, 1)),
        ((0.6, 0.5, 0.4), (0.1, 0.1, 0.1)),
        ((0.5, 0.5, 0.5), (0.35, 0.35, 0.35)),
    ],
)
def test_ink_of_any_color_on_paper_of_any_color(paper, ink):
    share = drawn(SYNTHETIC["crossing"])[..., None]
    picture = share * np.array(paper) + (1 - share) * np.array(ink)
    picture += np.random.default_rng(0).normal(0, 0.01, picture.shape)
    found = tracing.trace(picture)
    assert len(found) == 2
    assert min(shares(SYNTHETIC["crossing"], found)) > 0.99


def test_an_empty_page_has_no_strokes_however_uneven_its_paper():
    blank = np.ones((300, 200), np.float32)
    for picture in (blank, blank * 0, blank * 0.5, as_scan(blank, noise=0.05), blank[:1, :1]):
        assert tracing.trace(picture) == []


def test_dust_and_ruled_paper_are_no_strokes():
    truth = SYNTHETIC["ring and line"]
    picture = drawn(truth, pen=5)
    picture[::25] = np.minimum(picture[::25], 0.87)
    generator = np.random.default_rng(0)
    for x, y in generator.uniform(5, 295, (60, 2)).astype(int):
        picture[y, x] = min(picture[y, x], generator.uniform(0, 0.5))
    assert len(tracing.trace(picture)) == 2


def test_a_filled_area_becomes_its_outline():
    picture = np.ones((300, 300), np.float32)
    y, x = np.mgrid[:300, :300]
    picture[np.hypot(x - 150, y - 150) < 60] = 0
    picture = np.minimum(picture, drawn([[(20, 20), (280, 20)], [(20, 280), (280, 280)]]))
    found = tracing.trace(picture)
    assert len(found) == 3
    ring = max(found, key=lambda stroke: np.ptp(stroke[:, 1]))
    assert 50 < np.hypot(*(ring - 150).T).min() < 61


def test_a_pattern_all_over_is_no_line_art():
    stripes = np.repeat(np.arange(300) % 36 >= 12, 300).reshape(300, 300)
    with pytest.raises(tracing.NotLineArtError, match="line art"):
        tracing.trace(stripes)


def test_the_same_picture_gives_the_same_strokes():
    picture = as_scan(drawn(SYNTHETIC["star"]))
    for one, other in zip(tracing.trace(picture), tracing.trace(picture.copy()), strict=True):
        np.testing.assert_array_equal(one, other)
