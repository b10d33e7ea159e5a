import copyreg
import io
import os
import pickle
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers import npz, safe_pickle
from data_prep.readers.source import ReadError

SPLITS = ("train", "valid", "test")
RNG = np.random.default_rng(4)


def drawing(points, dtype=np.int16):
    rows = RNG.integers(-90, 90, (points, 3))
    rows[:, 2] = RNG.integers(0, 2, points)
    return rows.astype(dtype)


def objects(*items):
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def save(path, **arrays):
    np.savez_compressed(path, **{name: arrays.get(name, objects()) for name in SPLITS} | arrays)
    return path


def header(shape="(1,)", descr="'|O'"):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def save_members(path, **members):
    """Writes an npz of raw member bytes; the splits not named are empty and whole."""
    buffer = io.BytesIO()
    np.save(buffer, objects(), allow_pickle=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in SPLITS:
            archive.writestr(f"{name}.npy", members.get(name, buffer.getvalue()))
    return path


@pytest.mark.parametrize("name", ["omniglot", "aaron_sheep", "short_kanji"])
def test_published_files_give_the_arrays_that_numpy_gives(shared_data, name):
    path = shared_data(f"sketchrnn/{name}.npz")
    found = list(readers.read(path))
    with np.load(path, allow_pickle=True, encoding="latin1") as expected:
        rows = [(split, row) for split in SPLITS for row in expected[split]]
    assert len(found) == len(rows)
    for sketch, (split, row) in zip(found, rows, strict=True):
        assert sketch.split == split
        np.testing.assert_array_equal(sketch.offsets, row)
    assert {sketch.label for sketch in found} == {name}
    assert len({sketch.key for sketch in found}) == len(found)
    assert all(sketch.simplified and sketch.polylines is None for sketch in found)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, ">i2", np.float16, np.float32, np.float64])
def test_every_number_type_is_read_as_the_same_float32(tmp_path, dtype):
    rows = [drawing(n, dtype) for n in (1, 5, 3)]
    found = list(readers.read(save(tmp_path / "a.npz", train=objects(*rows))))
    for sketch, row in zip(found, rows, strict=True):
        assert sketch.offsets.dtype == np.float32
        np.testing.assert_array_equal(sketch.offsets, row)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_is_read(tmp_path, protocol):
    rows = [drawing(4), np.asfortranarray(drawing(6, np.float64)), np.zeros((0, 3), np.int16)]
    data = header("(3,)") + pickle.dumps(objects(*rows), protocol)
    found = list(readers.read(save_members(tmp_path / "a.npz", train=data)))
    for sketch, row in zip(found, rows, strict=True):
        np.testing.assert_array_equal(sketch.offsets, row)


def test_pickles_that_name_either_home_of_numpy_are_read():
    old = pickle.dumps(objects(drawing(2)), 2)
    named = old.replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    new = named.replace(b"cnumpy.core.multiarray", b"cnumpy._core.multiarray")
    assert named != new
    np.testing.assert_array_equal(safe_pickle.load(named).items[0], safe_pickle.load(new).items[0])


def test_drawings_of_one_length_saved_as_one_array_are_read(tmp_path):
    block = np.stack([drawing(4), drawing(4)])
    found = list(readers.read(save(tmp_path / "a.npz", valid=block)))
    np.testing.assert_array_equal([sketch.offsets for sketch in found], block)
    assert [sketch.split for sketch in found] == ["valid", "valid"]


def test_lists_of_rows_are_read_as_arrays(tmp_path):
    found = list(readers.read(save(tmp_path / "a.npz", train=objects([[0, 0, 0], [1, 2.5, 1]]))))
    np.testing.assert_array_equal(found[0].offsets, [[0, 0, 0], [1, 2.5, 1]])


def test_generated_drawings_are_cut_at_their_lengths(tmp_path):
    rows = [drawing(3, np.float32), drawing(5, np.float32)]
    path = tmp_path / "x.npz"
    np.savez(path, strokes=np.concatenate(rows), lengths=[3, 5])
    found = list(readers.read(path))
    assert [sketch.split for sketch in found] == [None, None]
    for sketch, row in zip(found, rows, strict=True):
        np.testing.assert_array_equal(sketch.offsets, row)


def test_label_is_the_file_name_without_full(tmp_path):
    path = save(tmp_path / "hot air balloon.full.npz", train=objects(drawing(2)))
    assert next(readers.read(path)).label == "hot air balloon"
    assert next(readers.read(path, label="balloon")).label == "balloon"


def test_pieces_of_a_large_file_are_the_file(tmp_path):
    rows = [RNG.integers(-30000, 30000, (60, 3), np.int16) for _ in range(5000)]
    for row in rows:
        row[:, 2] = 0
    path = save(tmp_path / "a.npz", train=objects(*rows), test=objects(*rows[:9]))
    units = list(readers.units(path))
    assert len(units) == 4
    assert sum(unit.size for unit in units) == pytest.approx(path.stat().st_size, abs=8)
    backwards = [list(unit.read()) for unit in pickle.loads(pickle.dumps(units))[::-1]][::-1]
    found = [sketch.key for part in backwards for sketch in part]
    assert found == [sketch.key for sketch in readers.read(path)]
    assert len(found) == 5009


def hostile_pickles(command):
    """Yields (name, pickle) that run a command in `pickle.loads`, in each form that there is."""
    module, name = os.system.__module__.encode(), b"system"
    text = command.encode()
    short = b"\x8c" + bytes([len(text)]) + text
    name_global = b"c" + module + b"\n" + name + b"\n"
    stack_global = b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c\x06" + name + b"\x93"
    yield "global and reduce", name_global + b"(S'" + text + b"'\ntR."
    yield "stack global and reduce", stack_global + short + b"\x85R."
    yield "inst", b"(S'" + text + b"'\ni" + module + b"\n" + name + b"\n."
    yield "obj", b"(" + name_global + b"S'" + text + b"'\no."
    yield "newobj", b"\x80\x04cbuiltins\neval\n" + short + b"\x85\x81."
    yield "newobj_ex", b"\x80\x04csubprocess\nPopen\n" + short + b"\x85}\x92."
    yield "ext1", b"\x80\x02\x82\x07(S'" + text + b"'\ntR."
    yield "ext2", b"\x80\x02\x83\x07\x00(S'" + text + b"'\ntR."
    yield "ext4", b"\x80\x02\x84\x07\x00\x00\x00(S'" + text + b"'\ntR."
    yield "persistent id", b"P" + text + b"\n."
    yield "binary persistent id", short + b"Q."
    yield "getattr", b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR."
    yield "build", b"cnumpy\nndarray\n)R}S'__setstate__'\n" + name_global + b"sb" + short + b"b."
    yield "dotted name", b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93" + short + b"\x85R."


def everywhere(form):
    """Returns a pickle alone, and inside an object array in place of its first drawing."""
    outer = pickle.dumps(objects(12345), 0)
    place = outer.index(b"I12345\n")
    nested = outer[:place] + form.removeprefix(b"\x80\x02").removeprefix(b"\x80\x04")[:-1]
    return {"alone": form, "nested": nested + outer[place + len(b"I12345\n") :]}


@pytest.mark.parametrize("place", ["alone", "nested"])
@pytest.mark.parametrize("form", [name for name, _ in hostile_pickles("x")])
def test_hostile_pickle_is_refused_and_runs_nothing(tmp_path, form, place):
    canary = tmp_path / "canary"
    copyreg.add_extension("posix", "system", 7)
    try:
        copyreg._extension_cache[7] = os.system  # as after somebody's honest use of it
        data = everywhere(dict(hostile_pickles(f"touch {canary}"))[form])[place]
        path = save_members(tmp_path / "a.npz", train=header() + data)
        with pytest.raises(ReadError, match=r"a\.npz: array 'train' "):
            list(readers.read(path))
    finally:
        copyreg.remove_extension("posix", "system", 7)
    assert not canary.exists()


def test_the_hostile_pickles_of_these_tests_do_run_a_command_elsewhere(tmp_path):
    for form in ("global and reduce", "stack global and reduce", "inst", "obj"):
        canary = tmp_path / form.replace(" ", "_")
        for data in everywhere(dict(hostile_pickles(f"touch {canary}"))[form]).values():
            canary.unlink(missing_ok=True)
            subprocess.run(
                [sys.executable, "-c", f"import numpy, pickle; pickle.loads({data!r})"], check=True
            )
            assert canary.exists()


@pytest.mark.parametrize("form", ["global and reduce", "stack global and reduce", "inst", "obj"])
def test_foreign_global_is_named(tmp_path, form):
    data = header() + dict(hostile_pickles("true"))[form]
    with pytest.raises(ReadError, match=r"names (posix|nt)\.system"):
        list(readers.read(save_members(tmp_path / "a.npz", train=data)))


def test_class_of_the_installed_packages_is_refused_by_name(tmp_path):
    class_of_numpy = pickle.dumps(objects(np.random.PCG64(1)))
    with pytest.raises(ReadError, match=r"names numpy\.random\._pickle\.\w+"):
        list(readers.read(save_members(tmp_path / "a.npz", train=header() + class_of_numpy)))


def test_object_pointers_given_as_bytes_are_refused(tmp_path):
    """An object type whose flags deny it makes NumPy take eight bytes for a pointer."""
    lying = pickle.dumps(objects(None), 2)
    flags = b"K?t"  # 63, the last item of the state of dtype('O')
    assert lying.count(flags) == 1
    lying = lying.replace(flags, b"K\x00t")
    lying, replaced = re.subn(rb"\]q.Na", b"C\x08AAAAAAAA", lying, flags=re.DOTALL)
    assert replaced == 1
    with pytest.raises(ReadError, match="array 'train' declares 1 objects"):
        list(readers.read(save_members(tmp_path / "a.npz", train=header() + lying)))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("memo index of 4 GiB", b"\x80\x02Nr\xff\xff\xff\xff."),
        ("bytes of 2^60", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc."),
        ("bytearray of 30 GB", b"\x80\x05\x96" + struct.pack("<Q", 30 << 30) + b"abc."),
        ("frame of 2^60", b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N."),
        ("text of 2^60", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"abc."),
        ("tuple doubled 90 times as a dict key", b"\x80\x02)" + b"2\x86" * 90 + b"}22s."),
        ("list doubled 90 times", b"\x80\x02]" + b"2\x86" * 90 + b"."),
        ("a hundred thousand deep", b"\x80\x02" + b"(" * 100000 + b"t" * 100000 + b"."),
        ("nothing", b""),
        ("a number", b"I7\n."),
        ("no end", b"I7\n"),
    ],
)
def test_pickle_that_eats_memory_or_time_is_refused(tmp_path, name, data):
    with pytest.raises(ReadError, match=r"a\.npz: array 'train' "):
        list(readers.read(save_members(tmp_path / "a.npz", train=header() + data)))


def test_array_named_again_and_again_costs_no_memory_of_its_own(tmp_path):
    row = np.zeros((200_000, 3), np.int16)
    path = save(tmp_path / "a.npz", train=objects(*[row] * 300))
    tracemalloc.start()
    assert sum(1 for _ in readers.read(path)) == 300
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # 300 copies would be 720 MB


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in SPLITS:
            with archive.open(f"{name}.npy", "w") as stream:
                stream.write(header("(40000000,)", "'<f4'"))
                for _ in range(160):
                    stream.write(bytes(1_000_000))
    with pytest.raises(ReadError, match="zip bomb"):
        list(readers.read(path))


def test_truncated_file_is_refused_wherever_it_ends(tmp_path):
    whole = save(tmp_path / "a.npz", train=objects(*[drawing(9) for _ in range(40)])).read_bytes()
    for end in range(2, len(whole), 37):
        path = tmp_path / "b.npz"
        path.write_bytes(whole[:end])
        with pytest.raises(ReadError, match=r"b\.npz: "):
            list(readers.read(path))


def test_damaged_byte_never_gives_anything_but_drawings_or_a_read_error(tmp_path):
    whole = save(tmp_path / "a.npz", train=objects(*[drawing(9) for _ in range(4)])).read_bytes()
    path = tmp_path / "b.npz"
    refused = 0
    for place in range(4, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            list(readers.read(path, format="npz"))
        except ReadError:
            refused += 1
    assert refused > len(whole) / 10


def test_web_page_saved_as_npz_is_called_one(tmp_path):
    path = tmp_path / "sheep.npz"
    path.write_text("<!DOCTYPE html>\n<html><body>404</body></html>")
    with pytest.raises(ReadError, match=r"sheep\.npz: is a web page"):
        list(readers.read(path))
    with pytest.raises(ReadError, match=r"sheep\.npz: is not a whole \.npz"):
        list(readers.read(path, format="npz"))


@pytest.mark.parametrize("held", [("train",), ("train", "test"), ("valid",)])
def test_file_without_some_of_the_splits_is_read(tmp_path, held):
    path = tmp_path / "a.npz"
    np.savez(path, **{name: objects(drawing(3), drawing(4)) for name in held})
    assert [sketch.split for sketch in readers.read(path)] == [name for name in held for _ in "ab"]
    assert npz.missing_splits(str(path)) == [name for name in SPLITS if name not in held]


def test_validation_is_valid_and_an_array_of_any_other_name_has_no_split(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, validation=objects(drawing(3)), labels=np.arange(4))
    assert [(sketch.split, sketch.key) for sketch in readers.read(path)] == [
        ("valid", "a.npz:valid:0")
    ]
    np.savez(path, objects(drawing(3), drawing(2)))
    assert [(sketch.split, sketch.key) for sketch in readers.read(path)] == [
        (None, "a.npz:0"),
        (None, "a.npz:1"),
    ]
    assert npz.missing_splits(str(path)) == []
    np.savez(path, x=np.arange(3), y=np.arange(4))
    with pytest.raises(ReadError, match=r"none of the arrays train, valid, test.*holds x, y"):
        list(readers.read(path))


ROWS = [[0, 0, 0], [3, 4, 0], [-5, 2, 1]]
AS_NUMPY_USERS_WRITE_THEM = {
    "objects of one length": np.array([np.array(ROWS, np.int16)] * 2, object),
    "numbers of one length": np.array([ROWS] * 2),
    "one drawing": np.array([ROWS], object),
    "lists of numpy's numbers": objects([[np.float32(x) for x in row] for row in ROWS]),
    "lists of arrays": objects([np.array(row) for row in ROWS]),
    "lists of tuples": objects([tuple(row) for row in ROWS]),
    "tuple of lists": objects(tuple(ROWS)),
    "arrays of objects": objects(np.array(ROWS, object)),
    "array of arrays of objects": objects(objects(*[np.array(row, object) for row in ROWS])),
    "array of lists": objects(objects(*ROWS)),
    "boolean pens": objects([(x, y, bool(pen)) for x, y, pen in ROWS]),
    "numpy's boolean pens": objects([[np.int8(x), y, np.bool_(pen)] for x, y, pen in ROWS]),
    "long doubles": objects(np.array(ROWS, np.longdouble)),
    "columns first": objects(np.asfortranarray(np.array(ROWS, float))),
    "two lengths": np.array([ROWS, [*ROWS, [1, 1, 1]]], dtype=object),
}


@pytest.mark.parametrize("name", AS_NUMPY_USERS_WRITE_THEM)
def test_drawings_are_read_however_numpy_holds_them(tmp_path, name):
    array = AS_NUMPY_USERS_WRITE_THEM[name]
    found = list(readers.read(save(tmp_path / "a.npz", train=array)))
    assert len(found) == len(array)
    assert all(sketch.offsets.dtype == np.float32 for sketch in found)
    np.testing.assert_array_equal(found[0].offsets, ROWS)


@pytest.mark.parametrize(
    "rows",
    [[[0, 0]], [[0, 0, 0, 1]], [[0, "1", 0]], [[0, None, 0]], [[0, [1], 0]], 5, "text", [5, 6, 7]],
)
def test_rows_of_something_else_are_refused_by_name(tmp_path, rows):
    array = objects(np.array(rows, object)) if rows == [[0, 0]] else objects(rows)
    with pytest.raises(ReadError, match=r"a\.npz: train drawing 0 "):
        list(readers.read(save(tmp_path / "a.npz", train=array)))


def test_declared_size_larger_than_the_file_is_refused(tmp_path):
    data = header("(1000000000000, 5, 3)", "'<i2'") + bytes(30)
    with pytest.raises(ReadError, match="declares 30000000000000 bytes and holds 30"):
        list(readers.read(save_members(tmp_path / "a.npz", train=data)))
    data = header("(3,)") + pickle.dumps(objects(drawing(2)))
    with pytest.raises(ReadError, match=r"has shape \[1\], its header says \[3\]"):
        list(readers.read(save_members(tmp_path / "b.npz", train=data)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 5)), r"has shape \[4, 5\], expected \[N, 3\]"),
        (np.zeros(4), r"has shape \[4\]"),
        (np.array([[0, np.nan, 0]]), "not finite"),
        (np.array([[np.inf, 0, 0]]), "not finite"),
        (np.array([[1e13, 0, 0]]), "beyond 1e"),
        (np.array([[0, 0, 2]]), "pen state"),
        (np.array([[0, 0, np.nan]]), "pen state"),
        (None, "type NoneType"),
        ("drawing", "type str"),
        ([[0, 0]], "not three numbers"),
        ([[0, "1", 0]], "not three numbers"),
        ([[0, 10**400, 0]], "too large"),
    ],
)
def test_bad_drawing_is_named_or_skipped(tmp_path, bad, message):
    path = save(tmp_path / "a.npz", train=objects(drawing(2), bad, drawing(3)))
    with pytest.raises(ReadError, match=rf"a\.npz: train drawing 1 .*{message}"):
        list(readers.read(path))
    skipped = []
    kept = list(readers.read(path, on_error="skip", on_skip=skipped.append))
    assert [sketch.key for sketch in kept] == ["a.npz:train:0", "a.npz:train:2"]
    assert [(skip.reason, skip.label) for skip in skipped] == [("unreadable", "a")]


def test_array_of_the_wrong_shape_is_refused(tmp_path):
    with pytest.raises(ReadError, match=r"array 'test' has shape \[4, 3\]"):
        list(readers.read(save(tmp_path / "a.npz", test=drawing(4))))


def test_an_offset_of_a_billion_and_a_drawing_without_points_are_valid(tmp_path):
    rows = [np.array([[1e9, -1e9, 1]]), np.zeros((0, 3))]
    found = list(readers.read(save(tmp_path / "a.npz", train=objects(*rows))))
    np.testing.assert_array_equal(found[0].offsets, rows[0].astype(np.float32))
    assert found[1].offsets.shape == (0, 3)
