import numpy as np

from data_prep.conversion import near_duplicates


def _rows(count, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32) * 10
    rows[:, 2] = 0
    rows[-1, 2] = 1
    return rows


def _signatures(*drawings):
    lengths = np.array([len(rows) for rows in drawings], np.uint32)
    return near_duplicates.signatures(np.concatenate(drawings), lengths).tolist()


def test_nearly_equal_drawings_share_a_signature_whatever_their_size_and_place():
    rows = np.round(_rows(12) * 8)
    moved, larger, nudged, other, lifted = (rows.copy() for _ in range(5))
    moved[0, :2] += 100
    larger[:, :2] *= 7
    nudged[3, 0] += 0.01
    other[3, 0] += 60
    lifted[5, 2] = 1

    found = _signatures(rows, moved, larger, nudged, other, lifted)

    assert len(set(found[:4])) == 1
    assert len(set(found)) == 3


def test_drawings_before_it_do_not_change_a_signature():
    huge = _rows(300, seed=1) * np.array([1e11, 1e11, 1], np.float32)
    small = [_rows(9, seed) * np.array([1e-3, 1e-3, 1], np.float32) for seed in range(2, 40)]

    together = _signatures(huge, *small)

    assert together[1:] == [_signatures(rows)[0] for rows in small]
    assert len(set(together)) == 39


def test_many_drawings_have_the_signatures_that_each_has_alone(monkeypatch):
    drawings = [_rows(2 + seed % 5, seed) for seed in range(40)]
    alone = [_signatures(rows)[0] for rows in drawings]
    monkeypatch.setattr(near_duplicates, "_TOGETHER", 7)

    assert _signatures(*drawings) == alone


def test_a_drawing_without_extent_has_a_signature():
    dot, far = np.zeros((2, 3), np.float32), np.full((1, 3), 1e12, np.float32)

    assert len(set(_signatures(dot, far))) == 2
