import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from data_prep import readers
from data_prep.readers import picture
from data_prep.readers.source import ReadError

pytest.importorskip("skimage", reason="needs the extra [trace]")

SIZE = (160, 120)  # width, height
CORNER = np.array([[20, 20], [20, 90], [130, 90]])  # an L, which no rotation maps to itself


def line_art(ink=0, paper=255, mode="L", background=None):
    image = Image.new(mode, SIZE, paper if background is None else background)
    ImageDraw.Draw(image).line([tuple(point) for point in CORNER.tolist()], fill=ink, width=5)
    return image


def read(path, **options):
    return list(readers.read(path, format="picture", **options))


def check_corner(sketch, corner=CORNER):
    (stroke,) = sketch.to_polylines()
    for place in corner:
        assert np.hypot(*(stroke - place).T).min() < 4
    assert np.abs(np.ptp(stroke, axis=0) - np.ptp(corner, axis=0)).max() < 5


def deep():
    image = np.full(SIZE[::-1], 60000, np.uint16)
    image[np.asarray(line_art()) < 128] = 9000
    return Image.fromarray(image)


def palette():
    image = line_art(3, 7, "P")
    image.putpalette([200] * 9 + [40, 20, 90] + [220, 230, 240] * 5)
    return image


def clear_palette():
    image = palette()
    image.info["transparency"] = 7
    return image


def alpha(ink, shown=True):
    image = Image.new("RGBA", SIZE, (*ink, 0) if shown else (0, 0, 0, 0))
    ImageDraw.Draw(image).line([tuple(p) for p in CORNER.tolist()], fill=(*ink, 255), width=5)
    return image


PICTURES = {
    "gray.png": line_art(),
    "board.png": line_art(230, 30),
    "one bit.png": line_art(0, 1, "1"),
    "16 bits.png": deep(),
    "16 bits.tif": deep(),
    "palette.png": palette(),
    "palette.gif": palette(),
    "clear palette.png": clear_palette(),
    "black on clear.png": alpha((0, 0, 0)),
    "white on clear.png": alpha((255, 255, 255)),
    "yellow on clear.png": alpha((255, 230, 0)),
    "gray and alpha.png": alpha((0, 0, 0)).convert("LA"),
    "color.jpg": line_art((20, 40, 160), (250, 245, 220), "RGB"),
    "print.jpg": line_art((10, 20, 30, 200), (0, 0, 0, 0), "CMYK"),
    "color.webp": line_art((20, 40, 160), (250, 245, 220), "RGB"),
    "color.bmp": line_art((20, 40, 160), (250, 245, 220), "RGB"),
    "numbers.tif": Image.fromarray(np.asarray(line_art(), np.float32) * 17 - 300),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_every_kind_give_their_line(tmp_path, name):
    PICTURES[name].save(tmp_path / name)
    (sketch,) = read(tmp_path / name)
    assert sketch.key == name
    assert sketch.label == tmp_path.name
    assert sketch.canvas == 160
    check_corner(sketch)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photo_is_turned_as_its_camera_says(tmp_path, turn):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = line_art()
    image = image.transpose(undo[turn]) if turn in undo else image
    exif = Image.Exif()
    exif[0x0112] = turn
    image.save(tmp_path / "photo.jpg", exif=exif, quality=90)
    check_corner(read(tmp_path / "photo.jpg")[0])


def test_pages_of_a_tiff_are_drawings_of_their_own(tmp_path):
    pages = [line_art(), line_art(40), Image.new("L", SIZE, 255)]
    pages[0].save(tmp_path / "book.tif", save_all=True, append_images=pages[1:])
    first, second, blank = read(tmp_path / "book.tif", label="ell")
    assert [sketch.key for sketch in (first, second, blank)] == [
        "book.tif",
        "book.tif:1",
        "book.tif:2",
    ]
    check_corner(first)
    check_corner(second)
    assert blank.to_polylines() == []
    assert blank.label == "ell"


def test_a_large_picture_is_made_smaller_and_its_strokes_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "LARGEST_SIDE", 60)
    line_art().save(tmp_path / "large.png")
    (sketch,) = read(tmp_path / "large.png")
    check_corner(sketch)


def test_pictures_are_read_where_it_is_asked_for_only(tmp_path):
    line_art().save(tmp_path / "a.png")
    with pytest.raises(ReadError, match=r"a\.png: is a picture.* --trace"):
        list(readers.read(tmp_path / "a.png"))
    with pytest.raises(ReadError, match=r"holds no files.*1 \.png; --trace"):
        list(readers.read(tmp_path))
    (tmp_path / "b.json").write_text("[[[0, 0], [1, 1]]]")
    assert [sketch.key for sketch in readers.read(tmp_path)] == ["b.json:0"]
    assert [sketch.key for sketch in read(tmp_path)] == ["a.png"]


def png(width, height, rows=b"", kind=0, depth=8):
    """Writes a PNG file chunk by chunk, for those that no tool would write."""

    def chunk(name, data):
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    data = zlib.compress(rows)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def saved(image, kind):
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
BROKEN = {
    "bomb": (png(60_000, 60_000), "million pixels"),
    "larger bomb": (png(11_500, 11_500), "11500 by 11500 pixels"),
    "huge side": (png(2**31 - 1, 1), "picture"),
    "no pixels": (png(0, 10), "picture"),
    "cut PNG": (saved(line_art(), "PNG")[:-200], "damaged picture"),
    "cut JPEG": (saved(NOISE, "JPEG")[:900], "damaged picture"),
    "flipped": (saved(line_art(), "PNG").replace(b"IDAT", b"IDAX"), "picture"),
    "short TIFF": (b"II*\x00\xff\xff\xff\xff", "picture"),
    "text": (b"no picture at all", "is no picture"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
    "web page": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "picture"),
    "empty": (b"", "is empty"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bad_pictures_are_refused_in_one_sentence(tmp_path, name):
    content, expected = BROKEN[name]
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=expected) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    skips = []
    assert list(readers.read(path, format="picture", on_error="skip", on_skip=skips.append)) == []
    assert [skip.reason for skip in skips] == ["unreadable"]


def test_bytes_changed_at_random_end_in_a_drawing_or_a_sentence(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "fuzz"
    for kind in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"):
        whole = np.frombuffer(saved(line_art(), kind), np.uint8)
        for _ in range(12):
            content = whole.copy()
            places = generator.integers(0, len(content), 4)
            content[places] = generator.integers(0, 256, 4)
            path.write_bytes(content.tobytes())
            try:
                read(path)
            except ReadError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017
