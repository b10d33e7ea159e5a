import pickle

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest

from data_prep.readers import safe_pickle

ARRAYS = hypothesis.extra.numpy.arrays(
    st.sampled_from(["<i2", ">i4", "u1", "<i8", "<f2", ">f4", "<f8"]),
    hypothesis.extra.numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@hypothesis.settings(max_examples=150, deadline=None, derandomize=True)
@hypothesis.given(ARRAYS, st.booleans(), st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_arrays_come_back_as_pickle_gives_them(array, fortran, protocol):
    data = pickle.dumps(np.asfortranarray(array) if fortran else array, protocol)
    found = safe_pickle.load(data)
    expected = pickle.loads(data)
    assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


def test_array_of_objects_holds_its_items_in_order():
    array = np.empty((2, 2), object)
    array[0, 0], array[0, 1] = np.arange(3), [1, "two", (3.5, b"4")]
    array[1, 0], array[1, 1] = None, True
    found = safe_pickle.load(b"before" + pickle.dumps(array), start=6)
    assert found.shape == (2, 2)
    assert found.items[0].tolist() == [0, 1, 2]
    assert found.items[1:] == [[1, "two", [3.5, b"4"]], None, True]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3, [("x", "i4")]),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.zeros(2, complex),
        np.zeros(2, "M8[s]"),
        np.ma.array([1, 2]),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    with pytest.raises(safe_pickle.UnpickleError, match=r"expected numbers|names numpy"):
        safe_pickle.load(pickle.dumps(array))


def test_array_that_holds_itself_ends():
    array = np.empty(2, object)
    array[0] = array
    array[1] = 7
    with pytest.raises(safe_pickle.UnpickleError, match="without content"):
        safe_pickle.load(pickle.dumps(array))


def test_state_of_a_function_of_this_module_cannot_be_set():
    data = b"cnumpy.core.multiarray\n_reconstruct\n(S'__defaults__'\ntb."
    with pytest.raises(safe_pickle.UnpickleError, match="sets the state of something"):
        safe_pickle.load(data)


@pytest.mark.parametrize(
    "number", [np.float32(1.5), np.float64(-2), np.int8(-3), np.uint64(9), np.bool_(True)]
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_numbers_of_numpy_come_back_as_python_s(number, protocol):
    array = np.empty(1, object)
    array[0] = [[number, 2]]
    found = safe_pickle.load(pickle.dumps(array, protocol)).items[0]
    assert found == [[number.item(), 2]]
    assert type(found[0][0]) is type(number.item())


def test_number_whose_bytes_do_not_fit_is_refused():
    data = pickle.dumps(np.float64(3), 2).replace(b"f8", b"f4")
    with pytest.raises(safe_pickle.UnpickleError):
        safe_pickle.load(data)


def test_list_that_is_named_again_and_again_is_made_once():
    rows = [[0, 0, 0]] * 50_000
    array = np.empty(20_000, object)
    array[:] = [rows] * len(array)
    found = safe_pickle.load(pickle.dumps(array))
    assert len({id(item) for item in found.items}) == 1
