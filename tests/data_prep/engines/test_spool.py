import errno

import numpy as np
import pytest

from data_prep.conversion import convert
from data_prep.engines import spool


@pytest.fixture
def batch():
    rows = np.zeros(5, convert.ROW)
    strokes = [np.full((n, 3), n, np.float32) for n in (3, 1, 7, 2, 5)]
    keys = [b"a", b"", b"ccc", "é".encode(), b"\xff"]
    rows["points"] = [len(array) for array in strokes]
    rows["key_bytes"] = [len(key) for key in keys]
    rows["order"] = range(5)
    tally = convert.Tally()
    tally.read = 5
    return convert.Batch(rows, ["cat", "ドッグ"], keys, strokes, tally)


@pytest.mark.parametrize("chosen", [[], [0], [4], [1, 2], [0, 3, 4], [0, 1, 2, 3, 4]])
def test_any_rows_come_back_as_they_were_written(tmp_path, batch, chosen):
    spool.write(tmp_path / "x.spool", batch)

    run = spool.SpoolFile(tmp_path / "x.spool")
    keys, strokes = run.take(np.array(chosen, np.int64))

    assert (run.labels, run.tally.read) == (batch.labels, 5)
    assert keys == [batch.keys[i] for i in chosen]
    assert len(strokes) == len(chosen)
    for i, array in zip(chosen, strokes, strict=True):
        np.testing.assert_array_equal(array, batch.strokes[i])


def test_an_error_without_a_file_gets_its_name(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, spool.named_errors(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert caught.value.filename == str(tmp_path / "x")
