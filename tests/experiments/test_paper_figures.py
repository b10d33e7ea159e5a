import re

import keras
import numpy as np
import pytest

from sketch_rnn_tf import config, drawing, runs
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.training import run_directory

TINY = {"encoder.units": 5, "decoder.units": 6, "z_size": 3, "num_mixtures": 2}
PICTURES = ("analogy", "corners", "endings", "interpolation", "reconstructions")


@pytest.fixture(scope="module")
def figures(experiment):
    return experiment("paper_figures")


@pytest.fixture(scope="module")
def run_folder(data_dir, tmp_path_factory):
    """Untrained models as `paper_table.py` leaves them."""
    folder = tmp_path_factory.mktemp("runs")
    info = dataset.read_info(data_dir)
    start = config.preset("small")
    for name, settings in {
        "kl_0.25": {"kl_weight": 0.25},
        "kl_0.5": {"kl_weight": 0.5},
        "kl_1": {"kl_weight": 1},
        "begun": {"kl_weight": 0.01},
        "decoder": {"conditional": False},
    }.items():
        both = config.override(start.model, start.training, TINY | settings)
        run = runs.create(folder / name, run_directory.describe(info, data_dir, *both))
        keras.utils.set_random_seed(1)
        sketch_rnn.build_model(run.config).save(run.path / runs.LAST)
    return folder


@pytest.fixture(scope="module")
def drawn(figures, run_folder, data_dir, tmp_path_factory):
    """Returns a function that draws everything into a new folder."""

    def draw():
        folder = tmp_path_factory.mktemp("pictures")
        words = ["--runs", run_folder, "--data_dir", data_dir, "--output_dir", folder]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["paper_figures.py", *map(str, words)])
            figures.main()
        return folder

    return draw


@pytest.fixture(scope="module")
def pictures(drawn):
    return drawn()


def _titles(path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))


def _test_drawings(data_dir):
    return [record.strokes for record in dataset.read_split(data_dir, "test")]


def test_the_same_models_give_the_same_files(drawn, pictures):
    again = drawn()
    assert sorted(path.stem for path in again.iterdir()) == list(PICTURES)
    for path in again.iterdir():
        assert path.read_bytes() == (pictures / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", PICTURES)
def test_the_highest_and_the_lowest_kl_weight_are_compared(pictures, name):
    titles = " ".join(_titles(pictures / f"{name}.svg"))
    assert "w_KL 1" in titles
    assert "w_KL 0.25" in titles
    assert "w_KL 0.5" not in titles
    assert ("decoder alone" in titles) == (name == "endings")


def test_reconstructions_stand_beside_the_given_drawing_at_six_temperatures(pictures, data_dir):
    sketches = drawing.read_svg(pictures / "reconstructions.svg")
    originals = _test_drawings(data_dir)
    assert len(sketches) % (2 * 7) == 0
    for cell in sketches[::7]:
        assert any(np.array_equal(cell.strokes[1:], one[1:]) for one in originals)
    temperatures = ["0.01", "0.2", "0.4", "0.6", "0.8", "1.0"]
    titles = _titles(pictures / "reconstructions.svg")
    assert titles[titles.index("given") :][:7] == ["given", *temperatures]


def test_endings_begin_with_what_was_given_and_differ(figures, pictures, data_dir):
    cells = drawing.read_svg(pictures / "endings.svg")
    assert len(cells) == 3 * 7
    for row in range(3):
        whole, *ended = cells[7 * row : 7 * row + 7]
        beginning = figures.begun(whole.strokes)
        for cell in ended:
            np.testing.assert_array_equal(cell.strokes[1 : len(beginning)], beginning[1:])
        assert len({cell.strokes.tobytes() for cell in ended}) > 1


def test_the_square_has_its_corners_from_four_drawings(pictures):
    assert len(drawing.read_svg(pictures / "corners.svg")) == 2 * 25


def test_a_beginning_is_a_third_of_the_points_up_to_a_strokes_end_before_the_half(figures):
    whole = np.ones((12, 3), np.float32)
    whole[:, 2] = [0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1]
    np.testing.assert_array_equal(figures.begun(whole), whole[:5])
    whole[:, 2] = [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert len(figures.begun(whole)) == 4


def test_rounding_moves_no_point_by_more_than_half_a_unit(figures):
    random = np.random.default_rng(2)
    strokes = np.concatenate([random.normal(0, 3, (50, 2)), np.zeros((50, 1))], axis=1)
    given = drawing.Sketch(strokes.astype(np.float32), given=4, label="x")
    rounded = figures._rounded(given)
    before, after = (np.cumsum(s.strokes[:, :2].astype(float), 0) for s in (given, rounded))
    assert np.abs(after - before).max() <= 0.5
    np.testing.assert_array_equal(after, np.round(after))
    assert (rounded.given, rounded.label) == (4, "x")


def _with_strokes(count):
    rows = np.ones((2 * count, 3), np.float32)
    rows[::2, 2] = 0
    return rows


def test_few_and_many_strokes_are_the_outer_quarters_with_their_borders(figures):
    measure = [_with_strokes(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9)]  # quartiles 3 and 7
    chosen = [_with_strokes(n) for n in (4, 3, 7, 1, 12)]
    few, many = figures.few_and_many(chosen, measure)
    assert [figures.num_strokes(one) for one in few] == [3, 1]
    assert [figures.num_strokes(one) for one in many] == [7, 12]


def test_strokes_given_are_counted_over_the_outer_quarters_of_the_test_split(
    figures, run_folder, data_dir
):
    compared, _ = figures.open_models(run_folder)
    lines = figures.analogy_counts(compared, figures.read_drawings(data_dir)).splitlines()
    counts = np.array([int(one[:, 2].sum()) for one in _test_drawings(data_dir)])
    low, high = np.percentile(counts, [25, 75])  # valid has the same counts
    for line, group in zip(
        lines[2:4], (counts[counts <= low], counts[counts >= high]), strict=True
    ):
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[3:5] == [str(len(group)), f"{group.mean():.1f}"]


def test_a_folder_without_an_encoder_is_refused(figures, tmp_path):
    with pytest.raises(SystemExit, match="holds no run with an encoder"):
        figures.open_models(tmp_path)
