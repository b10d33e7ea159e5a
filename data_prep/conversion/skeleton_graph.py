"""The graph of a skeleton, and the strokes of a pen that may have drawn it.

Nodes are ends and junctions, edges the chains of pixels between them. A junction of thick lines is
several pixels that lie near each other, and a crossing falls into two junctions: they are one node
here. Where strokes meet, each goes on along the smoothest way, as a hand does.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

SPUR = 1.7  # an end that sticks out of a line by less than this many of its radii is no stroke
BRIDGE = 2.5  # pen widths: a shorter line between two junctions is part of a blot
SHARPEST_TURN = math.radians(70)  # a stroke does not turn more than this at a junction
STRAIGHT = math.radians(14)  # two arms on a line turn by less than this
LONGEST_CROSSING = 10.0  # pen widths that the lines of a flat crossing share
LOOK_AHEAD = 2.5  # pen widths over which a direction is measured

EATEN = 12  # pixels before an end by which the width of its line is known

_AROUND = [(0, 1), (1, 0), (1, 1), (1, -1)]  # half of the eight directions: (row, column)


@dataclasses.dataclass(eq=False)
class Edge:
    """A chain of pixels between two nodes.

    Attributes:
      nodes: numbers of the nodes at its start and its end.
      points: [n, 2], (x, y), its own pixels.
    """

    nodes: list[int]
    points: np.ndarray


@dataclasses.dataclass(eq=False)
class Node:
    """An end or a junction.

    Attributes:
      place: (x, y).
      radius: of the ink around it.
      arms: (edge, side) for each edge's start (side 0) or end (side 1) that is here.
    """

    place: np.ndarray
    radius: float
    arms: list[tuple[Edge, int]]


def strokes(pixels: np.ndarray, radius: np.ndarray, pen: float) -> list[np.ndarray]:
    """Turns a skeleton into strokes.

    Args:
      pixels: bool [h, w], lines one pixel wide.
      radius: [h, w], of the ink around each pixel.
      pen: usual width of a line.

    Returns:
      Strokes [n, 2], (x, y) in whole and half pixels, in no order; of a closed one the last point
      is the first, a dot is two equal points.
    """
    graph = Graph(pixels, radius)
    graph.prune()
    graph.contract(pen)
    graph.uncross(pen)
    partners = graph.partners(pen)
    chains = _chains(graph.edges, partners)
    found = [
        _joined(chain, graph, partners)
        for chain in chains
        if not graph.is_bridge(chain, partners, pen)
    ]
    return [
        stroke
        if _length(stroke) >= 0.6 * pen  # else a dot
        else np.repeat((stroke.min(axis=0) + stroke.max(axis=0))[None] / 2, 2, axis=0)
        for stroke in found + graph.rings
    ]


class Graph:
    """Nodes and edges of a skeleton.

    Attributes:
      nodes: {number: Node}.
      edges: all edges between them, in a stable order.
      rings: closed strokes without any node.
    """

    def __init__(self, pixels: np.ndarray, radius: np.ndarray):
        rows, columns = np.nonzero(pixels)
        neighbors = _neighbors(pixels, rows, columns)
        self._widths = radius
        self._radius = radius[rows, columns]
        self._places = np.stack([columns, rows], axis=1).astype(np.float64)
        self.nodes: dict[int, Node] = {}
        self.edges: list[Edge] = []
        self.rings: list[np.ndarray] = []
        self._make_nodes(neighbors)
        self._walk(neighbors)

    def _make_nodes(self, neighbors: list[list[int]]) -> None:
        """Makes nodes of all pixels without exactly two neighbors; touching junctions are one."""
        self._node_of: dict[int, int] = {}
        for pixel, around in enumerate(neighbors):
            if len(around) == 2 or pixel in self._node_of:
                continue
            group, waiting = [], [pixel]
            while waiting:
                at = waiting.pop()
                if at in self._node_of:
                    continue
                self._node_of[at] = pixel
                group.append(at)
                if len(neighbors[at]) > 2:
                    waiting += [other for other in neighbors[at] if len(neighbors[other]) > 2]
            place = self._places[group].mean(axis=0)
            self.nodes[pixel] = Node(place, float(self._radius[group].max()), [])

    def _walk(self, neighbors: list[list[int]]) -> None:
        """Makes edges of the chains of pixels from node to node, and rings of those without."""
        seen = set(self._node_of)
        for start in sorted(self._node_of):
            for following in neighbors[start]:
                if following in self._node_of:
                    apart = self._node_of[following] != self._node_of[start]
                    if apart and start < following:  # else found from the other one
                        self._add([start, following])
                elif following not in seen:
                    self._add(_chain(start, following, neighbors, self._node_of, seen))
        for start in range(len(neighbors)):
            if start not in seen:
                seen.add(start)
                chain = _chain(start, neighbors[start][0], neighbors, {start: start}, seen)
                self.rings.append(self._places[chain])
            elif not neighbors[start]:
                self.rings.append(self._places[[start, start]])

    def _add(self, chain: list[int]) -> None:
        ends = [self._node_of[chain[0]], self._node_of[chain[-1]]]
        self._attach(Edge(ends, self._places[chain]))

    def _attach(self, edge: Edge) -> None:
        self.edges.append(edge)
        for side, node in enumerate(edge.nodes):
            self.nodes[node].arms.append((edge, side))

    def _detach(self, edge: Edge) -> None:
        self.edges.remove(edge)
        for node in set(edge.nodes):
            arms = self.nodes[node].arms
            self.nodes[node].arms = [arm for arm in arms if arm[0] is not edge]

    def prune(self) -> None:
        """Takes away spurs, the shortest first; what is left of a junction with two arms is one."""
        while True:
            spurs = [(_length(edge.points), i) for i, edge in enumerate(self.edges)]
            spurs = [(length, i) for length, i in spurs if self._is_spur(self.edges[i], length)]
            if not spurs:
                return
            edge = self.edges[min(spurs)[1]]
            self._detach(edge)
            for node in edge.nodes:
                self._merge(node)

    def _is_spur(self, edge: Edge, length: float) -> bool:
        first, last = (self.nodes[node] for node in edge.nodes)
        if len(first.arms) != 1:
            first, last = last, first
        return len(first.arms) == 1 and len(last.arms) > 2 and length < SPUR * last.radius

    def _merge(self, number: int) -> None:
        """Makes the two edges at a node one."""
        arms = self.nodes[number].arms
        if len(arms) != 2 or arms[0][0] is arms[1][0]:
            return
        (before, side), (behind, other_side) = arms
        self._detach(before)
        self._detach(behind)
        points = [_outward(before, side)[::-1], _outward(behind, other_side)[1:]]
        ends = [before.nodes[1 - side], behind.nodes[1 - other_side]]
        self._attach(Edge(ends, np.concatenate(points)))

    def contract(self, pen: float) -> None:
        """Makes one node of junctions whose ink overlaps, such as the two of a crossing."""
        for edge in sorted(self.edges, key=lambda edge: _length(edge.points)):
            first, last = (self.nodes[node] for node in edge.nodes)
            near = _length(edge.points) <= max(first.radius + last.radius, pen)
            if first is last or not near or min(len(first.arms), len(last.arms)) < 3:
                continue
            self._unite(edge)

    def _unite(self, edge: Edge) -> None:
        """Makes one node of both ends of an edge, which goes."""
        self._detach(edge)
        first, last = (self.nodes[node] for node in edge.nodes)
        for other, side in last.arms:
            other.nodes[side] = edge.nodes[0]
        first.arms += last.arms
        first.place = (first.place + last.place) / 2
        first.radius = max(first.radius, last.radius)
        del self.nodes[edge.nodes[1]]

    def uncross(self, pen: float) -> None:
        """Makes one node of the two junctions of a flat crossing, whose lines share a longer way.

        They are recognized by two pairs of arms, each of which lies on a straight line.
        """
        for edge in sorted(self.edges, key=lambda edge: _length(edge.points)):
            if _length(edge.points) > LONGEST_CROSSING * pen or edge not in self.edges:
                continue
            first, last = (self.nodes[node] for node in edge.nodes)
            if first is last or len(first.arms) != 3 or len(last.arms) != 3:
                continue
            ones = [arm for arm in first.arms if arm[0] is not edge]
            others = [arm for arm in last.arms if arm[0] is not edge]
            if any(
                all(
                    self._on_a_line(one, first, other, last, pen)
                    for one, other in zip(ones, order, strict=len(ones) == len(order))
                )
                for order in (others, others[::-1])
                if len(ones) == len(order) == 2
            ):
                self._unite(edge)

    def _on_a_line(self, one, first: Node, other, last: Node, pen: float) -> bool:
        """Whether two arms of different nodes go on in each other, seen from beyond the blur."""
        start = _outward(*one)[_along(_outward(*one), first.radius)]
        end = _outward(*other)[_along(_outward(*other), last.radius)]
        across = end - start
        across /= max(float(np.hypot(*across)), 1e-9)
        turns = [-_direction(*one, first, pen) @ across, _direction(*other, last, pen) @ across]
        return min(turns) > math.cos(STRAIGHT)

    def partners(self, pen: float) -> dict[tuple[Edge, int], tuple[Edge, int]]:
        """Returns, for each arm along which a stroke goes on at its node, the arm it goes on in."""
        found = {}
        for node in self.nodes.values():
            directions = [_direction(edge, side, node, pen) for edge, side in node.arms]
            for i, j in _pairs(directions):
                found[node.arms[i]] = node.arms[j]
                found[node.arms[j]] = node.arms[i]
        return found

    def extended(self, points: np.ndarray) -> np.ndarray:
        """Returns a stroke with its end where the ink is as wide as it was: thinning eats ends."""
        widths = self._widths[tuple(points[-EATEN:].round().astype(int).T[::-1])]
        usual = float(np.median(widths))
        tail = points[-EATEN : max(len(points) - 2, 2)]  # its last pixels may bend away
        step = tail[-1] - tail[0]
        length = float(np.hypot(*step))
        more: list[np.ndarray] = []
        while length and len(more) < 8 * usual:
            place = (more[-1] if more else points[-1]) + step / (2 * length)
            aside = np.array([-step[1], step[0]]) / (2 * length)
            place = max((place, place + aside, place - aside), key=self._width_at)
            if self._width_at(place) < 0.75 * usual:
                break
            more.append(place)
        return np.concatenate([points, more]) if more else points

    def _width_at(self, place: np.ndarray) -> float:
        x, y = place.round().astype(int)
        inside = 0 <= y < self._widths.shape[0] and 0 <= x < self._widths.shape[1]
        return float(self._widths[y, x]) if inside else 0.0

    def is_bridge(self, chain: list[tuple[Edge, int]], partners, pen: float) -> bool:
        """Whether a stroke is only blur between lines: short, and at a junction on either end."""
        ends = [chain[0], (chain[-1][0], 1 - chain[-1][1])]
        nodes = [self.nodes[edge.nodes[side]] for edge, side in ends]
        if ends[0] in partners or any(len(node.arms) < 3 for node in nodes):
            return False
        return sum(_length(edge.points) for edge, _ in chain) < BRIDGE * pen


def _neighbors(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[list[int]]:
    """Returns each pixel's neighbors; diagonal ones only where no other pixel leads around."""
    number = np.full(np.add(pixels.shape, 2), -1)
    number[rows + 1, columns + 1] = np.arange(len(rows))

    def at(row: int, column: int) -> np.ndarray:
        return number[rows + 1 + row, columns + 1 + column]

    found: list[list[int]] = [[] for _ in range(len(rows))]
    for row, column in _AROUND:
        other = at(row, column)
        linked = other >= 0
        if row and column:
            linked &= (at(row, 0) < 0) & (at(0, column) < 0)
        for a, b in zip(np.flatnonzero(linked).tolist(), other[linked].tolist(), strict=True):
            found[a].append(b)
            found[b].append(a)
    return found


def _chain(
    start: int, following: int, neighbors: list[list[int]], ends: dict[int, int], seen: set[int]
) -> list[int]:
    """Returns the pixels from a node to the next one, both included, by way of a neighbor."""
    chain, before = [start], start
    while following not in ends:
        chain.append(following)
        seen.add(following)
        first, second = neighbors[following]
        before, following = following, second if first == before else first
    return [*chain, following]


def _outward(edge: Edge, side: int) -> np.ndarray:
    """Returns an edge's points as seen from one of its ends."""
    return edge.points if side == 0 else edge.points[::-1]


def _length(points: np.ndarray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _along(points: np.ndarray, distance: float) -> int:
    """Returns the index of the point at about a distance along a chain of pixels."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    return min(int(np.searchsorted(np.cumsum(steps), distance)), len(points) - 1)


def _direction(edge: Edge, side: int, node: Node, pen: float) -> np.ndarray:
    """Returns the unit vector in which an edge leaves a junction, beyond the junction's blur."""
    points = _outward(edge, side)[:200]
    begin = _along(points, node.radius)
    end = _along(points, node.radius + LOOK_AHEAD * pen)
    start = points[begin] if end - begin > pen / 2 else node.place
    vector = points[end] - start
    length = float(np.hypot(*vector))
    return vector / length if length else np.zeros(2)


def _pairs(directions: list[np.ndarray]) -> list[tuple[int, int]]:
    """Matches the arms of a junction so that strokes turn as little as they can."""
    count = len(directions)
    if count == 2:
        return [(0, 1)]
    turns = {
        (i, j): math.acos(np.clip(-directions[i] @ directions[j], -1, 1))
        for i, j in itertools.combinations(range(count), 2)
    }
    gains = {pair: SHARPEST_TURN**2 - turn**2 for pair, turn in turns.items()}
    gains = {pair: gain for pair, gain in gains.items() if gain > 0}
    if count <= 7:
        return _best(tuple(range(count)), gains)[1]
    chosen: list[tuple[int, int]] = []
    for pair in sorted(gains, key=lambda pair: -gains[pair]):
        if not any(set(pair) & set(other) for other in chosen):
            chosen.append(pair)
    return chosen


def _best(
    left: tuple[int, ...], gains: dict[tuple[int, int], float]
) -> tuple[float, list[tuple[int, int]]]:
    """Returns the matching of the arms that are left with the largest gain, and the gain."""
    if len(left) < 2:
        return 0.0, []
    first, rest = left[0], left[1:]
    best = _best(rest, gains)
    for other in rest:
        gain = gains.get((first, other))
        if gain is None:
            continue
        more, pairs = _best(tuple(arm for arm in rest if arm != other), gains)
        if gain + more > best[0]:
            best = gain + more, [(first, other), *pairs]
    return best


def _chains(
    edges: list[Edge], partners: dict[tuple[Edge, int], tuple[Edge, int]]
) -> list[list[tuple[Edge, int]]]:
    """Follows strokes through junctions.

    Returns:
      Strokes as lists of (edge, side at which it is entered); open ones first found from an end.
    """
    used: set[Edge] = set()
    chains = []
    arms = [(edge, side) for edge in edges for side in (0, 1)]
    for arm in [arm for arm in arms if arm not in partners] + arms:
        if arm[0] in used:
            continue
        chain = []
        while arm is not None and arm[0] not in used:
            used.add(arm[0])
            chain.append(arm)
            arm = partners.get((arm[0], 1 - arm[1]))
        chains.append(chain)
    return chains


def _joined(chain: list[tuple[Edge, int]], graph: Graph, partners) -> np.ndarray:
    """Returns the points of a stroke: a junction's blurred pixels give way to a straight line."""
    parts = []
    for edge, side in chain:
        points = _outward(edge, side)
        first, last = graph.nodes[edge.nodes[side]], graph.nodes[edge.nodes[1 - side]]
        begin, end = 0, len(points)
        middle = len(points) // 2
        if (edge, side) in partners and len(first.arms) > 2:
            begin = min(_along(points, first.radius), middle)
        elif len(first.arms) > 2:
            parts.append(first.place[None])
        if (edge, 1 - side) in partners and len(last.arms) > 2:
            end = max(len(points) - _along(points[::-1], last.radius), begin + 1)
        parts.append(points[begin:end])
        if (edge, 1 - side) not in partners and len(last.arms) > 2:
            parts.append(last.place[None])
    whole = np.concatenate(parts)
    if len(graph.nodes[chain[0][0].nodes[chain[0][1]]].arms) == 1:
        whole = graph.extended(whole[::-1])[::-1]
    if len(graph.nodes[chain[-1][0].nodes[1 - chain[-1][1]]].arms) == 1:
        whole = graph.extended(whole)
    closed = partners.get((chain[-1][0], 1 - chain[-1][1])) == chain[0]
    return np.concatenate([whole, whole[:1]]) if closed else whole
