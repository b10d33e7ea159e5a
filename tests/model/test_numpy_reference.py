import numpy as np
import pytest
from magenta import NAMES, model_of, outputs_of, relative_error
from numpy_magenta import run


@pytest.mark.parametrize("name", NAMES)
def test_what_remains_between_the_model_and_float64_is_rounding(vectors, name):
    numbers = vectors(name)
    reference = run(numbers)
    outputs = outputs_of(model_of(numbers), numbers)
    ours = {"mu": "z_mean", "presig": "z_log_var", "z": "z", "out": "raw"}
    for key, expected in reference.items():
        assert relative_error(outputs[ours[key]], expected) < 1e-6, key


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_magentas_graph(vectors, name):
    numbers = vectors(name)
    for key, expected in run(numbers).items():
        assert relative_error(np.reshape(numbers[key], expected.shape), expected) < 1e-6, key
