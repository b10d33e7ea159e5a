# ruff: noqa: E501 (documents are easier to read whole)
"""What is read from SVG lies where resvg paints: on pictures of every kind, and on icon sets."""

import io
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from data_prep.readers import svg
from data_prep.readers.source import Options

resvg_py = pytest.importorskip("resvg_py", reason="needs resvg (pip install resvg-py)")

SIZE = 240  # pixels of a picture
NEAR = 2.5  # pixels by which a line may be beside what is painted


def painted(document: str, size: int = SIZE) -> np.ndarray:
    """Returns where resvg paints anything that is not white. bool [size, size]."""
    data = resvg_py.svg_to_bytes(
        svg_string=document, background="white", width=size, height=size, dpi=96
    )
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("L")) < 160


def lines(strokes, width: float, side: float) -> str:
    """Returns a picture of center lines of this width, on a square of this side."""
    paths = "".join(
        f'<path d="M{" ".join(f"{x!r} {y!r}" for x, y in stroke.tolist())}"/>' for stroke in strokes
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" fill="none"'
        f' stroke="#000" stroke-width="{width}" stroke-linecap="round"'
        f' stroke-linejoin="round">{paths}</svg>'
    )


def far(some: np.ndarray, others: np.ndarray, near: float) -> int:
    """Returns how many pixels of `some` are farther than `near` from all of `others`."""
    if not others.any():
        return int(some.sum())
    return int((scipy.ndimage.distance_transform_edt(~others)[some] > near).sum())


def check(document: str, side: float, reach: float) -> None:
    """Compares what is read with what is painted, both ways.

    Args:
      document: the picture, a square.
      side: of the picture in its pixels.
      reach: half the width of what is painted around a center line, pixels of the rendering.
    """
    strokes, _ = svg.polylines_of(document, Options(curve_tolerance=1e-4))
    ink = painted(document)
    read = painted(lines(strokes, 3 * side / SIZE, side))
    assert far(read, ink, NEAR) == 0, "a line is read where nothing is painted"
    assert far(ink, read, reach + NEAR) == 0, "ink is painted where no line is read"


P = 'stroke="#000" stroke-width="2" fill="none"'
L = f'<path d="M20 40L90 40L90 120" {P}/>'
S = f'<path d="M20 40L90 40L90 120C120 160 160 160 180 60" {P}/>'
CASES = {
    "a path of all commands": f'<path {P} d="M20 20h60v30H30V80l20 10 30-5c10 20 30 20 40 0s30-30'
    ' 40 0q10 30-20 40t-40 10a20 30 30 0 1-40 20zm100 0l20 20"/>',
    "compact arcs": f'<path {P} d="M60 80a30 20 15 0130 10a30 20 15 01.5.5A40 40 0 1020 150"/>',
    "an error in path data": f'<path {P} d="M20 20L80 80 L100 20 L x 180 180"/>',
    "a broken arc flag": f'<path {P} d="M20 20L80 80A30 30 0 2 1 150 150"/>',
    "a path that begins with a line": f'<path {P} d="L20 20L80 80"/>{L}',
    "numbers after a close": f'<path {P} d="M20 20L80 80L20 80z 50 50"/>',
    "commas": f'<path {P} d="M20,20,L80,80,,90,90"/>',
    "odd points": f'<polyline {P} points="20,20 90,30 80,90 5"/>',
    "broken points": f'<polygon {P} points="20,20 90,30 80,90 5x 100 100"/>',
    "no points": f'<polyline {P} points=""/>{L}',
    "shapes": f'<g {P}><rect x="10" y="10" width="50" height="30" rx="9"/><circle cx="120" cy="50"'
    ' r="30"/><ellipse cx="60" cy="120" rx="40" ry="20"/><line x1="110" y1="110" x2="180" y2="190"/>'
    '<polygon points="20,160 80,160 50,190"/></g>',
    "odd radii": f'<g {P}><rect x="10" y="10" width="50" height="30" rx="90"/><rect x="90" y="10"'
    ' width="50" height="30" ry="5"/><rect x="10" y="60" width="50" height="30" rx="-3" ry="8"/>'
    '<ellipse cx="120" cy="120" rx="30"/></g>',
    "negative sizes": f'<g {P}><rect x="10" y="10" width="-50" height="30"/><circle r="-3"/></g>{L}',
    "units": f'<g {P}><line x1="1cm" y1="10mm" x2="1in" y2="60pt"/><line x1="5pc" y1="2em" x2="80%"'
    ' y2="70%"/><circle cx="50%" cy="50%" r="20%"/><rect x="4ex" y="100" width="10%" height="5%"/></g>',
    "nested transforms": f'<g transform="translate(100,50)"><g transform="rotate(45)">'
    f'<g transform="skewX(10) scale(.8 1.1)">{L}</g></g></g>',
    "a list of transforms": f'<g transform="translate(20) , rotate(10 50 50)skewY(5)">{L}</g>',
    "a broken transform": f'<g transform="translate(40 30) rotate(">{L}</g>',
    "matrix": f'<g transform="matrix(.8 .2 -.3 .9 40 10)">{S}</g>',
    "transform in CSS": f'<g style="transform: translate(30, 20) rotate(10)">{L}</g>',
    "transform in CSS above the attribute": f'<g transform="scale(9)" style="transform:none">{L}</g>',
    "transform-origin": f'<g transform="rotate(30)" transform-origin="100 100">{L}</g>',
    "transform-origin in words": f'<g transform="rotate(30)" transform-origin="center">{L}</g>',
    "transform-origin in percent": f'<g transform="scale(.5)" transform-origin="50% 75%">{S}</g>',
    "use": f'<defs><g id="a">{L}</g></defs><use href="#a" x="30" y="20"/><use href="#a" x="60"'
    ' transform="rotate(20)"/>',
    "xlink before and after": f'<defs>{L.replace("<path", "<path id=" + chr(34) + "a" + chr(34))}'
    '<circle id="b" r="50"/></defs><use xlink:href="#b" href="#a" x="30"/>',
    "use of a symbol": f'<symbol id="a" viewBox="0 0 100 100">{L}</symbol><use href="#a" x="20" y="30"'
    ' width="150" height="120"/>',
    "use of a symbol without a size": f'<symbol id="a" viewBox="0 0 100 200">{L}</symbol>'
    '<use href="#a"/>',
    "use of an svg": f'<defs><svg id="a" width="80" height="80" viewBox="0 0 200 200">{L}</svg></defs>'
    '<use href="#a" x="20" y="30" width="150" height="120"/><use href="#a" x="100" y="100"/>',
    "use of what uses it": f'<g id="a"><use href="#a"/>{L}</g>',
    "use of nothing": f'<use href="#no"/><use/>{L}',
    "use inherits": f'<defs><path id="a" d="M20 40L90 40L90 120"/></defs><use href="#a" {P}/>',
    "an inner svg": f'<svg x="20" y="40" width="100" height="120" viewBox="0 0 200 200">{L}</svg>',
    "an inner svg without a size": f'<svg viewBox="0 0 300 300">{L}</svg>',
    "an inner svg that slices": '<svg x="20" y="40" width="100" height="50" viewBox="0 0 100 100"'
    f' preserveAspectRatio="xMidYMid slice">{L}</svg>',
    "an inner svg that shows what overflows": '<svg x="20" y="20" width="60" height="60"'
    f' overflow="visible">{L}</svg>',
    "an inner svg that hides what overflows": f'<svg x="20" y="20" width="60" height="60">{L}</svg>',
    "display none": f'<g display="none">{L}</g><g style="display:none">{L}</g>{S}',
    "visibility of children": f'<g visibility="hidden">{L}<g visibility="visible">'
    f'<path d="M120 120L180 150" {P}/></g></g>',
    "opacity": f'<g opacity="0">{L}</g><g stroke-opacity="0">{L}</g><path d="M9 9L90 150" {P}/>',
    "no paint": f'<path d="M0 0h200v200H0z" fill="none"/>{L}<line x1="0" y1="0" x2="90" y2="150"/>',
    "no width": f'<g stroke-width="0"><path d="M9 9L90 150" stroke="#000"/></g>{L}',
    "a filled line": f'<path d="M9 9L90 150"/>{L}',
    "a clear color": f'<path d="M9 9L90 150" stroke="rgba(0,0,0,0)"/><path d="M9 9L90 150"'
    f' stroke="#0000"/><path d="M9 9L90 150" stroke="transparent"/>{L}',
    "colors": '<g fill="none" stroke-width="2"><path d="M9 9L90 9" stroke="rgb(10%,0%,0%)"/>'
    '<path d="M9 29L90 29" stroke="hsl(120,100%,20%)"/><path d="M9 49L90 49" stroke="#123f"/>'
    '<path d="M9 69L90 69" stroke="NAVY"/><path d="M9 89L90 89" stroke="rgba(0, 0, 0, .9)"/></g>',
    "currentColor": f'<g color="#000"><path d="M9 9L90 150" stroke="currentColor"/></g>{L}',
    "inherit": f'<g stroke="#000" stroke-width="2"><path stroke="inherit" d="M9 9L90 150"/></g>{L}',
    "a gradient": '<linearGradient id="g"><stop/><stop offset="1" stop-color="#333"/></linearGradient>'
    '<path d="M9 9L90 150" stroke="url(#g)" stroke-width="2"/>',
    "a gradient that is missing": f'<path d="M9 9L90 150" stroke="url(#g)"/>{L}'
    '<path d="M9 59L90 190" stroke="url(#g) #000" stroke-width="2"/>',
    "a clear gradient": '<linearGradient id="g"><stop stop-opacity="0"/></linearGradient>'
    f'<path d="M9 9L90 150" stroke="url(#g)"/>{L}',
    "classes": "<style>.a{fill:none;stroke:#000;stroke-width:2px} .b{display:none}</style>"
    f'<path class="a" d="M9 9L90 150"/><g class="b a">{L}</g>',
    "specificity": "<style>path{stroke:none} #i{stroke:#000;stroke-width:2} path.a{stroke:none}"
    '</style><path id="i" class="a" d="M9 9L90 150" fill="none"/>',
    "importance": "<style>path{stroke:#000!important;stroke-width:2}</style>"
    '<path d="M9 9L90 150" fill="none" style="stroke:none"/>',
    "order of rules": "<style>.a{stroke:none} .b{stroke:#000;stroke-width:2}</style>"
    '<path class="b a" d="M9 9L90 150" fill="none"/>',
    "an attribute beneath style": "<style>path{stroke:#000;stroke-width:2}</style>"
    '<path d="M9 9L90 150" fill="none" stroke="none"/>',
    "selectors": "<style>g > path:first-child{stroke:#000;stroke-width:2} [x-y=z]{display:none}"
    " g g path{stroke:none}</style>"
    f'<g fill="none"><path d="M9 9L90 150"/><g><path d="M9 59L90 190"/></g></g><g x-y="z">{L}</g>',
    "comments in CSS": "<style>/* a */ path{/* b */stroke:#000;stroke-width:2}</style>"
    '<path d="M9 9L90 150" style="fill:none;/*stroke:none*/"/>',
    "CSS in CDATA": "<style><![CDATA[ path{stroke:#000;stroke-width:2} ]]></style>"
    '<path d="M9 9L90 150" fill="none"/>',
    "CSS of another type": f'<style type="text/x">path{{display:none}}</style>{L}',
    "never drawn": f'<defs>{L}</defs><symbol>{L}</symbol><marker>{L}</marker><mask>{L}</mask>'
    f'<pattern>{L}</pattern><clipPath>{L}</clipPath><title>t</title><path d="M9 9L90 150" {P}/>',
    "links that nothing draws": '<image href="http://example.org/a.png" width="9" height="9"/>'
    f'<script xlink:href="a.js"/><use href="b.svg#c"/>{L}',
    "a switch": f'<switch><g systemLanguage="xx">{L}</g><path d="M9 9L90 150" {P}/>{L}</switch>',
    "a switch of Illustrator's": '<switch><foreignObject requiredExtensions="http://ns.adobe.com/x"'
    f' width="1" height="1"/><g>{L}</g></switch>',
    "a link": f'<a href="http://example.org/">{L}</a>',
    "a clip path": f'<clipPath id="c"><rect x="30" y="30" width="90" height="50"/></clipPath>'
    f'<g clip-path="url(#c)">{S}</g>',
    "a clip path in parts": '<clipPath id="c"><circle cx="60" cy="60" r="40"/><circle cx="140"'
    f' cy="130" r="40"/></clipPath><g clip-path="url(#c)">{S}</g>',
    "a clip path with a hole": '<clipPath id="c"><path clip-rule="evenodd" d="M10 10H190V190H10z'
    f'M40 30V100H110V30z"/></clipPath><g clip-path="url(#c)">{S}</g>',
    "a clip path of units of the box": '<clipPath id="c" clipPathUnits="objectBoundingBox"><rect'
    f' width=".5" height="1"/></clipPath><path clip-path="url(#c)" {P} d="M20 40L160 40L70 120"/>',
    "a clip path that moves": '<clipPath id="c" transform="translate(20 0)"><rect x="30" y="30"'
    f' width="60" height="50"/></clipPath><g transform="rotate(10)" clip-path="url(#c)">{S}</g>',
    "a clipped clip path": '<clipPath id="d"><rect x="0" y="0" width="70" height="200"/></clipPath>'
    '<clipPath id="c" clip-path="url(#d)"><rect x="30" y="30" width="90" height="50"/></clipPath>'
    f'<g clip-path="url(#c)">{S}</g>',
    "an empty clip path": f'<clipPath id="c"/><g clip-path="url(#c)">{S}</g>{L}',
    "clip paths within clip paths": '<clipPath id="c"><circle cx="80" cy="60" r="50"/></clipPath>'
    '<clipPath id="d"><rect x="30" y="20" width="90" height="50"/></clipPath>'
    f'<g clip-path="url(#c)"><g clip-path="url(#d)">{S}</g></g>',
    "a clip path by use": '<defs><circle id="e" cx="80" cy="60" r="50"/></defs>'
    f'<clipPath id="c"><use href="#e" x="10"/></clipPath><g clip-path="url(#c)">{S}</g>',
    "paper": f'<rect width="200" height="200" fill="#fff"/>{L}',
    "xml:space and other vocabularies": f'<g xml:space="preserve"><o:x xmlns:o="urn:o">{L}</o:x></g>'
    f'<path d="M9 9L90 150" {P}/>',
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_center_lines_lie_where_strokes_are_painted(what):
    document = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox="0 0 200 200" width="200" height="200">{CASES[what]}</svg>'
    )
    check(document, 200, reach=2.5)


ROOTS = {
    "an offset viewBox": 'viewBox="-20 10 200 200" width="200" height="200"',
    "a wide viewBox": 'viewBox="0 0 400 200" width="200" height="200"',
    "a wide viewBox to the corner": 'viewBox="0 0 400 200" width="200" height="200"'
    ' preserveAspectRatio="xMaxYMax meet"',
    "a wide viewBox that is stretched": 'viewBox="0 0 400 200" width="200" height="200"'
    ' preserveAspectRatio="none"',
    "a size in CSS": 'viewBox="0 0 100 100" width="200" height="200"',
    "no viewBox": 'width="200" height="200"',
    "a transform": 'viewBox="0 0 200 200" width="200" height="200" transform="translate(10 20)"',
}


@pytest.mark.parametrize("what", ROOTS)
def test_the_outermost_svg_places_its_content(what):
    body = f"{S}<circle cx='50%' cy='50%' r='10%' {P}/>"
    check(f'<svg xmlns="http://www.w3.org/2000/svg" {ROOTS[what]}>{body}</svg>', 200, reach=3.6)


FILLS = {
    "a filled path": '<path d="M20 80L90 20L90 120C120 160 160 160 180 60z"/>',
    "a ring": '<path fill-rule="evenodd" d="M20 20H180V180H20zM60 60H140V140H60z"/>',
    "a clipped fill": '<clipPath id="c"><circle cx="100" cy="100" r="60"/></clipPath>'
    '<rect width="150" height="150" clip-path="url(#c)"/>',
    "a white hole in a disc": '<circle cx="100" cy="100" r="80"/><circle cx="100" cy="100" r="40"'
    ' fill="#fff"/>',
    "white on colored paper": '<rect width="200" height="200" fill="#fff"/><path fill="#222"'
    ' d="M20 40L90 40L90 120z"/>',
}


@pytest.mark.parametrize("what", FILLS)
def test_outlines_lie_at_the_edges_of_fills(what):
    document = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">{FILLS[what]}</svg>'
    strokes, _ = svg.polylines_of(document)
    ink = painted(document)
    edges = ink & ~scipy.ndimage.binary_erosion(ink)
    read = painted(lines(strokes, 1.2 * 200 / SIZE, 200))
    assert far(read, edges, NEAR) == 0
    assert far(edges, read, NEAR) == 0


@pytest.mark.parametrize("damage", ["a stroke", "a shift"])
def test_the_comparison_notices_damage(damage):
    document = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">{S}{L}</svg>'
    lost = document.replace(S, "").replace(L, L.replace("M20", "M15") if damage == "a shift" else L)
    ink, read = painted(document), painted(lines(svg.polylines_of(lost)[0], 2.5, 200))
    assert far(ink, read, 2.0 + NEAR) + far(read, ink, NEAR) > 0


@pytest.fixture(scope="module")
def icons(tmp_path_factory):
    """Returns a function from an icon set to its icons, from npm; or skips."""

    def find(name: str) -> dict:
        folder = os.environ.get("SKETCH_RNN_NODE_MODULES")
        if folder is None:
            if shutil.which("npm") is None:
                pytest.skip("needs npm for icon sets (or SKETCH_RNN_NODE_MODULES)")
            root = tmp_path_factory.mktemp("npm")
            command = ["npm", "install", "--prefix", str(root), f"@iconify-json/{name}"]
            if subprocess.run(command, capture_output=True, timeout=120).returncode:
                pytest.skip(f"npm cannot install @iconify-json/{name}")
            folder = root / "node_modules"
        return json.loads((pathlib.Path(folder) / f"@iconify-json/{name}/icons.json").read_bytes())

    return find


@pytest.mark.large
@pytest.mark.parametrize(("name", "width"), [("lucide", 2.0), ("tabler", 2.0), ("hugeicons", 1.5)])
def test_five_hundred_icons_are_read_as_they_are_painted(icons, name, width):
    content = icons(name)
    bodies = [(key, icon["body"]) for key, icon in sorted(content["icons"].items())]
    drawn = [one for one in bodies if "stroke=" in one[1] and 'fill="currentColor"' not in one[1]]
    wrong = []
    for key, body in drawn[:: max(len(drawn) // 500, 1)][:500]:
        document = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
            f' viewBox="0 0 24 24" width="24" height="24">{body}</svg>'
        )
        try:
            check(document, 24, reach=width / 2 * SIZE / 24 * 1.5)  # corners are mitered
        except AssertionError as error:
            wrong.append(f"{key}: {error}")
    assert not wrong
