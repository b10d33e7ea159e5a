"""The page in a real browser, opened from disk: a pen draws in every mode, the model answers."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
from browser import line, ring

import sketch_rnn_tf
from data_prep import readers
from sketch_rnn_tf import drawing
from sketch_rnn_tf.interop import imported, magenta_js

pytestmark = pytest.mark.large

MODES = ["together", "endings", "again", "between", "new"]
ANSWERED = {
    "together": "The model",
    "endings": "Nine endings.",
    "again": "nine times",
    "between": "Move the slider",
    "new": "Click a drawing",
}
PAPER = {
    "together": "#together canvas",
    "endings": "#endings .paper",
    "again": "#again .paper",
    "between": "#between .end-b .paper",
}
CELLS = {"together": 1, "endings": 9, "again": 9, "between": 7, "new": 12}


@pytest.fixture(scope="module")
def index(web_folder):
    """Returns index.html of a model with classes, latent vectors and float32 weights."""
    return web_folder("classes") / "index.html"


def _draw(page, mode, kind="mouse"):
    page.draw(PAPER[mode], line((0.3, 0.3), (0.7, 0.35)), kind)


def _open(page, index, mode):
    _load(page, index, f"#m={mode}&t=0.6&s=3&c=fish")
    assert page.find(f"#{mode}").is_displayed()


def _load(page, address, fragment="", name="classes"):
    page.open(address, fragment)
    _wait_for_model(page, name)


def _wait_for_model(page, name):
    page.wait(lambda: page.all(f"html[data-model={name}]"), f"the model {name}", 60)


@pytest.mark.parametrize("mode", MODES)
def test_the_model_answers_a_pen_and_a_link_gives_the_same_drawings(page, index, mode):
    _open(page, index, mode)
    if mode in PAPER:
        _draw(page, mode)
        _draw(page, mode)
    page.wait_for(ANSWERED[mode])
    if mode == "together":
        page.click(".hold")
    found = page.sketches()
    assert len(found) == CELLS[mode]
    assert all(sketch["strokes"] and sketch["label"] == "fish" for sketch in found)
    link = page.driver.current_url
    _load(page, link)
    page.wait_for(ANSWERED[mode])
    assert page.sketches() == found


@pytest.mark.parametrize("kind", ["mouse", "touch", "pen"])
def test_mouse_finger_and_pen_draw(page, index, kind):
    _open(page, index, "together")
    _draw(page, "together", kind)
    page.wait_for("The model")
    (sketch,) = page.sketches()
    corners = np.cumsum([row[:2] for row in sketch["strokes"][:2]], axis=0)
    side = page.run("return document.querySelector('#together canvas').clientWidth")
    assert side > 300
    direction = corners[1] - corners[0]
    assert direction[1] / direction[0] == pytest.approx(0.125, abs=0.03)


def test_new_drawings_are_pythons(page, index, make_run):
    _open(page, index, "new")
    page.wait_for(ANSWERED["new"])
    python = sketch_rnn_tf.load_model(make_run("classes").path)
    expected = python.generate(12, temperature=0.6, seed=3, label="fish")
    for ours, theirs in zip(page.sketches(), expected, strict=True):
        np.testing.assert_allclose(ours["strokes"], np.asarray(theirs), atol=1e-3 * 12.5)


def test_undo_takes_back_and_clear_empties_the_paper(page, index):
    _open(page, index, "endings")
    _draw(page, "endings")
    page.wait_for("Nine endings.")
    one = page.sketches()
    page.draw(PAPER["endings"], ring((0.5, 0.6), 0.15))
    page.wait(lambda: page.sketches() != one and "Nine" in page.says(), "other endings")
    page.click("#undo")
    page.wait_for("Nine endings.")
    assert page.sketches() == one
    page.click("#clear")
    page.click(".save[value=json]")
    page.wait_for("nothing to save")
    assert "d=" not in page.driver.current_url


def test_the_model_begins_anew_in_another_color_until_it_is_held(page, index):
    _open(page, index, "together")
    _draw(page, "together")
    page.wait(lambda: "k=1" in page.driver.current_url, "the next ending")
    page.click(".hold")
    assert page.find(".hold").get_attribute("aria-pressed") == "true"
    page.wait_for("The model")
    held = page.driver.current_url
    page.run("return new Promise((done) => setTimeout(done, 2500))")
    assert page.driver.current_url == held


def test_an_ending_that_is_clicked_is_on_the_paper(page, index):
    _open(page, index, "endings")
    _draw(page, "endings")
    page.wait_for("Nine endings.")
    chosen = page.sketches()[4]
    page.all("#endings .cell")[4].click()
    page.wait_for("Ending 5 is on your paper")
    (taken,) = page.sketches()
    assert len(taken["strokes"]) == len(chosen["strokes"])
    ends = [np.sum(sketch["strokes"], axis=0)[:2] for sketch in (taken, chosen)]
    np.testing.assert_allclose(*ends, atol=0.5)  # a link keeps a thousandth of a drawing


def test_a_drawing_is_saved_in_four_forms(page, index):
    _open(page, index, "new")
    page.wait_for(ANSWERED["new"])
    svg = page.saved(".save[value=svg]", "sketch.svg")
    _check_svg(svg, page.sketches())
    with PIL.Image.open(page.saved(".save[value=png]", "sketch.png")) as png:
        assert png.size == (1200, 900)
        assert len(png.convert("L").getcolors(256)) > 2
    gif = page.saved(".save[value=gif]", "sketch.gif")
    page.wait_for("The GIF is saved")
    with PIL.Image.open(gif) as frames:
        assert frames.n_frames > 10
        counts = []
        for number in (0, frames.n_frames - 1):
            frames.seek(number)
            colors = frames.convert("RGB").getcolors(1 << 20)
            counts.append(max(count for count, _ in colors))
        assert frames.size == (420, 315)
    assert counts[0] > counts[1]  # less paper is to be seen at the end


def _check_svg(path, sketches):
    """An SVG of the page gives the very drawings, to the commands as to our own reader."""
    own, read = drawing.read_svg(path), list(readers.read(str(path)))
    for one, other, sketch in zip(own, read, sketches, strict=True):
        expected = np.float32(sketch["strokes"])
        np.testing.assert_array_equal(np.asarray(one), expected)
        np.testing.assert_array_equal(other.to_stroke3(), expected)
        assert (one.label, one.ended) == (sketch["label"], sketch["ended"])


@pytest.mark.parametrize("mode", ["together", "endings"])
def test_an_svg_of_a_paper_holds_the_beginning_in_the_models_units(page, index, mode):
    _open(page, index, mode)
    _draw(page, mode)
    page.draw(PAPER[mode], ring((0.5, 0.6), 0.15))
    page.draw(PAPER[mode], [(0.2, 0.8)])  # a dot
    page.wait_for(ANSWERED[mode])
    if mode == "together":
        page.click(".hold")
    sketches = page.sketches()
    _check_svg(page.saved(".save[value=svg]", "sketch.svg"), sketches)
    png = PIL.Image.open(page.saved(".save[value=png]", "sketch.png")).convert("L")
    resvg_py = pytest.importorskip("resvg_py", reason="needs resvg (pip install resvg-py)")
    svg = resvg_py.svg_to_bytes(svg_path=str(page.downloads / "sketch.svg"), width=png.width)
    drawn = PIL.Image.open(io.BytesIO(bytes(svg)))
    inked = np.asarray(png) < 160
    seen = np.asarray(drawn.getchannel("A")) > 96
    assert seen.shape == inked.shape
    assert (inked & seen).sum() > 0.9 * max(inked.sum(), seen.sum())


def test_the_slider_goes_from_the_first_drawing_to_the_second(page, index):
    _open(page, index, "between")
    page.wait_for(ANSWERED["between"])
    page.run(
        "const way = document.querySelector('.way'); way.value = 0.25;"
        "way.dispatchEvent(new Event('input'))"
    )
    assert "f=0.25" in page.driver.current_url
    page.all("#between .strip .cell")[6].click()
    assert page.find(".way").get_attribute("value") == "1"
    assert page.find(".way").get_attribute("aria-valuetext") == "100 % of the way"


def test_the_heat_map_says_where_the_next_point_lies(page, index):
    _open(page, index, "together")
    page.click("#heat")
    _draw(page, "together")
    says = page.wait_for("The next point likely lies where the paper is colored")
    assert says.count("%") == 3
    page.click("#heat")
    assert page.find("#heat").get_attribute("aria-pressed") == "false"


def test_the_page_is_used_without_a_pointer(page, index):
    from selenium.webdriver import ActionChains, Keys

    _open(page, index, "together")
    page.run("document.querySelector('#together canvas').focus()")
    moves = [Keys.ENTER, *[Keys.ARROW_RIGHT] * 4, *[Keys.ARROW_DOWN] * 3, Keys.ENTER]
    ActionChains(page.driver).send_keys(*moves).perform()
    page.wait_for("The model")
    assert len(page.sketches()[0]["strokes"]) > 2
    page.run("document.querySelector('#tab-together').focus()")
    ActionChains(page.driver).send_keys(Keys.ARROW_RIGHT).perform()
    assert page.find("#tab-endings").get_attribute("aria-selected") == "true"
    ActionChains(page.driver).send_keys("5").perform()
    assert page.find("#new").is_displayed()


def test_all_that_can_be_used_has_a_name(page, index):
    _open(page, index, "new")
    page.wait_for(ANSWERED["new"])
    nameless = page.run(
        """return [...document.querySelectorAll("button, input, select, canvas[tabindex]")]
        .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length))
        .map((one) => one.outerHTML)"""
    )
    assert nameless == []


@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_what_is_behind_them(page, index, dark):
    page.screen(1280, 800, dark=dark)
    _open(page, index, "together")
    colors = page.run(
        """const style = getComputedStyle(document.documentElement);
        return ["ground", "sheet", "ink", "faint", "ink-1", "ink-2", "ink-3", "ink-4", "ink-5",
          "ink-6"].map((name) => style.getPropertyValue(`--${name}`).trim())"""
    )
    ground, sheet, ink, faint, *inks = map(_luminance, colors)
    for background in (ground, sheet):
        assert _contrast(ink, background) > 7
        assert _contrast(faint, background) > 4.5
    assert all(_contrast(color, sheet) > 3.5 for color in inks)
    assert (ground < 0.1) == dark


def _luminance(color):
    values = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _contrast(a, b):
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


@pytest.mark.parametrize("mode", MODES)
def test_the_page_fits_a_phone(page, index, mode):
    page.screen(360, 720, phone=True)
    _open(page, index, mode)
    if mode in PAPER:
        _draw(page, mode, "touch")
    page.wait_for(ANSWERED[mode])
    width = page.run("return document.documentElement.scrollWidth")
    assert width == 360
    small = page.run(
        """return [...document.querySelectorAll("aside button, aside select")]
        .filter((one) => one.offsetParent && one.offsetHeight < 34).map((one) => one.id)"""
    )
    assert small == []


def test_another_model_is_opened_as_a_file_or_a_page(page, index, web_folder):
    _open(page, index, "together")
    other = web_folder("decoder")
    for name in ("model.bin", "index.html"):
        _load(page, index)
        page.find("#file").send_keys(str(other / name))
        _wait_for_model(page, "decoder")
        assert page.text("#name") == "decoder"
        assert page.find("#tab-again").get_attribute("disabled")
        page.draw(PAPER["together"], line((0.3, 0.3), (0.7, 0.35)))
        page.wait_for("The model")


def test_a_model_of_google_draws_pythons_drawings(page, web_folder, shared_data, tmp_path):
    model = magenta_js.read_model(shared_data("pretrained/bird.gen.json"))
    run = imported.write_run(tmp_path / "bird", *model)
    _load(page, web_folder(run) / "index.html", "#m=new&t=0.4&s=3", "bird")
    page.wait_for(ANSWERED["new"], 60)
    expected = sketch_rnn_tf.load_model(run.path).generate(12, temperature=0.4, seed=3)
    for ours, theirs in zip(page.sketches(), expected, strict=True):
        np.testing.assert_allclose(
            ours["strokes"], np.asarray(theirs), atol=1e-3 * run.config.scale_factor
        )
    page.click("#tab-together")
    page.draw(PAPER["together"], ring((0.5, 0.5), 0.16))
    page.wait_for("The model")


def test_the_paper_goes_farther_away_when_a_drawing_leaves_it(page, index):
    _open(page, index, "together")
    page.draw(PAPER["together"], line((0.5, 0.5), (0.995, 0.995)))
    page.wait_for("The model")
    page.click(".hold")
    (sketch,) = page.sketches()
    places = np.cumsum(np.asarray(sketch["strokes"])[:, :2], axis=0)
    assert places.max() > 0.5 * 1.6 * 255  # beyond the right or the lower edge
    with PIL.Image.open(page.saved(".save[value=png]", "sketch.png")) as picture:
        pixels = np.asarray(picture.convert("L"))
    border = np.concatenate([pixels[[0, -1]].ravel(), pixels[:, [0, -1]].ravel()])
    assert border.min() > 200  # no line is cut by the edge


@pytest.mark.parametrize("name", ["model.bin", "index.html"])
def test_another_model_is_opened_by_dropping_its_file(page, index, web_folder, name):
    _load(page, index)
    page.drop("body", web_folder("decoder") / name)
    _wait_for_model(page, "decoder")
    assert not page.find("#drop").is_displayed()
    page.draw(PAPER["together"], line((0.3, 0.3), (0.7, 0.35)))
    page.wait_for("The model")


def test_what_is_dropped_but_no_model_is_refused_with_a_sentence(page, index, tmp_path):
    _load(page, index)
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    page.drop("body", path)
    page.wait_for("This is not a model exported for the web")
    assert page.text("#name") == "classes"


def test_a_bad_file_is_refused_with_a_sentence_and_the_model_stays(page, index, tmp_path):
    _open(page, index, "together")
    data = bytearray((index.parent / "model.bin").read_bytes())
    data[len(data) // 2] ^= 1
    files = {
        "its checksum is wrong": bytes(data),
        "This is not a model exported for the web": b"hello",
        "This is not a model": b"<html><p>a page</p></html>",
    }
    for i, (sentence, content) in enumerate(files.items()):
        path = tmp_path / f"{i}.bin"
        path.write_bytes(content)
        page.find("#file").send_keys(str(path))
        page.wait_for(sentence)
        assert page.find("#problem").is_displayed()
    _draw(page, "together")
    page.wait_for("The model")


def test_a_drawing_longer_than_the_model_knows_has_a_sentence(page, index):
    _open(page, index, "endings")
    zigzag = [(0.1 + 0.8 * i / 50, 0.3 + 0.4 * (i % 2)) for i in range(51)]
    page.draw(PAPER["endings"], zigzag)
    page.wait_for("the model goes on with drawings of fewer than 40")
    page.click("#undo")
    page.wait(lambda: not page.find("#problem").is_displayed(), "the sentence to go")


def test_a_browser_without_what_is_needed_is_told_what(page, index):
    script = {"source": "delete window.PointerEvent; delete window.Worker"}
    added = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    page.open(index)
    page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert page.text("#problem") == (
        "This page needs what this browser lacks: web workers, pointer events."
    )


def test_an_address_that_was_cut_or_made_up_is_no_harm(page, index):
    bad = [
        "m=nothing&t=cold&s=x&c=cat&d=%25%25",
        "m=between&a=~&b=!!&f=7",
        "d=_____&k=99999",
        "&&&=",
    ]
    for fragment in bad:
        _load(page, index, f"#{fragment}")
        page.click("#tab-new")
        page.wait_for(ANSWERED["new"])
