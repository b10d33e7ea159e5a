"""`import sketch_rnn_tf` is enough for Keras to load our models, in any order of imports."""

from __future__ import annotations

import subprocess
import sys

import keras
import pytest

from sketch_rnn_tf import keras_names
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.training import schedules  # registers its classes


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns a .keras file of a compiled model, and the number of its weights."""
    model = SketchRNN(
        max_length=9, z_size=3, num_mixtures=2, encoder={"units": 4}, decoder={"units": 5},
        kl_weight=schedules.KLWeight(0.5, 0.01, 0.9995),
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(schedules.FlooredExponential(1e-3, 0.9, 1e-5)))
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    return path, model.count_params()


@pytest.mark.large
@pytest.mark.parametrize("imports", ["keras, sketch_rnn_tf", "sketch_rnn_tf, keras"])
def test_keras_loads_a_model_when_the_package_is_imported(saved, imports):
    path, count = saved
    code = (
        f"import sys, {imports}\n"
        "assert 'sketch_rnn_tf.model' not in sys.modules\n"
        f"model = keras.models.load_model({str(path)!r})\n"
        "print(model.count_params(), type(model.optimizer).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(count), "Adam"], done.stderr


def test_all_registered_classes_are_announced():
    prefix = f"{keras_names.PACKAGE}>"
    registered = {
        name.removeprefix(prefix): place
        for name, place in keras.saving.get_custom_objects().items()
        if name.startswith(prefix)
    }
    announced = {name for names in keras_names.CLASSES.values() for name in names}
    assert set(registered) == announced
    assert all(isinstance(place, type) for place in registered.values())  # no stand-in is left
