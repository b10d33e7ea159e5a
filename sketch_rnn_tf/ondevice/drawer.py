"""One sketch from a model file: the whole loop in the graph, or a step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sketch_rnn_tf import strokes
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.ondevice import next_point, runtime

MAX_OFFSET = 1000.0  # offsets are clamped to this before scaling, source units


class Drawer:
    """Draws one sketch at a time in source units.

    Args:
      model: the model file.
      mode: temperature mode.
    """

    def __init__(self, model: runtime.Model, mode: str):
        self._model = model
        self._mode = mode
        self._facts = model.metadata
        self._scale = np.float32(self._facts["scale_factor"])

    def encode(self, points: np.ndarray, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Returns `z_mean` and `z_log_var` [Z] of a drawing [N, 3]."""
        found = self._model.run("encode", **self._padded(points, "encoded"), **inputs)
        return {name: value[0] for name, value in found.items()}

    def nats(self, points: np.ndarray, inputs: dict[str, Any]) -> dict[str, float]:
        """Returns `offset_nats`, `pen_nats` and `end_nats` of a drawing [N, 3]."""
        rows = np.concatenate([self._normalized(points), np.array([strokes.PADDING], np.float32)])
        offset, pen = next_point.nats(self.parameters(rows[:-1], inputs), rows)
        sums = {"offset_nats": offset[:-1].sum(), "pen_nats": pen[:-1].sum(), "end_nats": pen[-1]}
        return {name: float(value) for name, value in sums.items()}

    def parameters(self, rows: np.ndarray, inputs: dict[str, Any]) -> np.ndarray:
        """Returns the raw parameters before each of the rows [N, 5] and after the last.

        Args:
          rows: stroke-5, normalized units.
          inputs: as in `draw`.

        Returns:
          [N + 1, 3 + 6M].
        """
        state, found = self._initial_state(inputs), []
        for row in [np.float32(self._facts["start_token"]), *rows]:
            step = self._step(row, state)
            state = step["state"]
            found.append(step["parameters"][0])
        return np.stack(found)

    def draw(
        self,
        inputs: dict[str, Any],
        noise: np.ndarray,
        temperature: np.ndarray,
        greedy: bool = False,
        prefix: np.ndarray | None = None,
    ) -> tuple[np.ndarray, bool]:
        """Draws a sketch.

        Args:
          inputs: `z` [1, Z] and `label` [1], where the model has them.
          noise: [T, 4], as many points as the sketch may have.
          temperature: [3], of pen, mixture and offsets.
          greedy: always the likeliest point.
          prefix: [N, 3], points that are given.

        Returns:
          The points [N, 3], the given ones included, and whether the sketch ended by itself.
        """
        facts = self._facts
        if (
            "complete" in facts["signatures"]  # the loop in the graph: one temperature, its mode
            and not greedy
            and len(noise) <= facts["max_length"]
            and self._mode == facts["temperature_mode"]
            and (temperature == temperature[0]).all()
        ):
            return self._draw_in_graph(inputs, noise, temperature, prefix)
        rows = list(self.points(inputs, noise, temperature, greedy, prefix))
        drawn = np.array([row for row in rows if row[4] < 0.5], np.float32).reshape(-1, 5)
        drawn = drawn[:, [0, 1, 3]] * [self._scale, self._scale, 1]
        whole = np.concatenate([np.zeros((0, 3)) if prefix is None else prefix, drawn])
        return whole.astype(np.float32), bool(len(rows) and rows[-1][4] > 0.5)

    def points(
        self,
        inputs: dict[str, Any],
        noise: np.ndarray,
        temperature: np.ndarray,
        greedy: bool = False,
        prefix: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:
        """Yields the new points as stroke-5 rows [5], normalized units, the end token last.

        This is the loop that an app runs; arguments as in `draw`.
        """
        state = self._initial_state(inputs)
        stroke = np.float32(self._facts["start_token"])
        given = np.zeros((0, 5), np.float32) if prefix is None else self._normalized(prefix)
        for row in given:
            state = self._step(stroke, state)["state"]
            stroke = row
        for numbers in noise[len(given) :]:
            found = self._step(stroke, state)
            state = found["state"]
            stroke = next_point.next_point(
                found["parameters"][0], numbers, temperature, self._mode, greedy
            )
            yield stroke
            if stroke[4] > 0.5:
                return

    def _draw_in_graph(self, inputs, noise, temperature, prefix) -> tuple[np.ndarray, bool]:
        padded = np.zeros((1, self._facts["max_length"], noise.shape[1]), np.float32)
        padded[0, : len(noise)] = noise
        given = {
            **inputs,
            "noise": padded,
            "temperature": temperature[:1],
            "max_points": [len(noise)],
        }
        if prefix is None:
            found = self._model.run("sample", **given)
        else:
            found = self._model.run("complete", **given, **self._padded(prefix, "completed"))
        points = found["strokes"][0, : found["lengths"][0]].copy()
        if prefix is not None:
            points[: len(prefix)] = prefix  # untouched by scaling
        return points, bool(found["ended"][0])

    def _initial_state(self, inputs: dict[str, Any]) -> np.ndarray:
        if "init_state" not in self._facts["signatures"]:
            return np.zeros((1, self._facts["state_size"]), np.float32)
        return self._model.run("init_state", **inputs)["state"]

    def _step(self, stroke: np.ndarray, state: np.ndarray) -> dict[str, np.ndarray]:
        return self._model.run("step", stroke=stroke[None], state=state)

    def _normalized(self, points: np.ndarray) -> np.ndarray:
        rows = strokes.stroke3_to_stroke5(points, len(points))
        rows[:, :2] = np.clip(rows[:, :2], -MAX_OFFSET, MAX_OFFSET) / self._scale
        return rows

    def _padded(self, points: np.ndarray, verb: str) -> dict[str, np.ndarray]:
        longest = self._facts["max_length"]
        if len(points) > longest:
            raise UserError(
                f"a drawing of {len(points)} points cannot be {verb}:"
                f" the file reads up to {longest}"
            )
        padded = np.zeros((1, longest, 3), np.float32)
        padded[0, : len(points)] = points
        return {"strokes": padded, "lengths": np.array([len(points)], np.int32)}
