from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.large

ONLY_NUMPY = """
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in {"numpy", "sketch_rnn_tf", *sys.stdlib_module_names}:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)
sys.meta_path.insert(0, Forbid())
"""
EVERY_VERB = """
import numpy as np
from sketch_rnn_tf import serving
drawings = [np.float32([[0, 0, 0], [5, 2, 0], [3, -4, 1]]), np.float32([[1, 1, 0], [2, 0, 1]])]
with serving.connect(ADDRESS) as client:
    client.backend.status(), client.backend.metadata()
    client.generate(2, label="cat"), client.reconstruct(drawings, label="cat")
    client.complete(drawings, 2, label="cat"), client.interpolate(drawings, 3, label="cat")
    client.analogy(drawings, drawings, drawings, label="cat")
    client.explore(drawings, 1, 3, label="cat")
    client.encode(drawings, label="cat"), client.score(drawings, label="cat")
"""


def test_every_verb_needs_numpy_and_the_standard_library_only(server):
    code = ONLY_NUMPY + EVERY_VERB.replace("ADDRESS", repr(server.addresses["rest"]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
