"""The mask of a map at the picture's size, as ``postprocess.anomaly_mask`` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from paddlex.inference.complete_graph import INSPECTED, MIN_AREA, PIXEL_THRESHOLD, REGION_CUT
from paddlex.modules.image_anomaly_detection.export.complete.nodes import Nodes, Value


def anomaly_mask(nodes: Nodes, anomaly_map: Value, sides: tuple[Value, Value], held: Mapping[str, Value]) -> Value:
    """The anomalous pixels of a map, float32 [H, W]: bool [H, W].

    Args:
        nodes: where this is added.
        anomaly_map: at the picture's size.
        sides: H and W, int64.
        held: the arrays of the model, see ``complete_graph.arrays_of``.
    """
    threshold, region_cut, min_area = held[PIXEL_THRESHOLD], held.get(REGION_CUT), held.get(MIN_AREA)
    above = anomaly_map > threshold
    if INSPECTED in held:
        above = above & held[INSPECTED]
    if region_cut is None and min_area is None:
        return above

    def without_halos_and_specks(inside: Nodes) -> Value:
        kept, values, height, width = inside.here(above, anomaly_map, *sides)
        if region_cut is not None:
            peaks = _Regions.of(inside, kept, height, width).peaks(values)
            lowest = (peaks - threshold) * region_cut + threshold
            kept = kept & inside.GreaterOrEqual(values, lowest)
        if min_area is not None:
            least = (height * width).to(np.float64) * min_area
            areas = _Regions.of(inside, kept, height, width).areas()
            kept = kept & inside.GreaterOrEqual(areas.to(np.float64), least)
        return kept

    some = nodes.ReduceMax(above.to(np.int32), np.array([0, 1]), keepdims=0) > np.int32(0)
    return nodes.choose(some, without_halos_and_specks, lambda inside: inside.Identity(above), np.bool_, 2)


@dataclass(frozen=True)
class _Regions:
    """Connected regions (8 neighbours), made of runs: what lies together in a row.

    Attributes:
        nodes: where they are computed.
        pixels: bool [H, W], what they are made of; some are true.
        run_of: int64 [H, W], the number of the run that a pixel is in.
        region_of: int64 [n], the lowest number of a run that is in the same region as the run.
    """

    nodes: Nodes
    pixels: Value
    run_of: Value
    region_of: Value

    @classmethod
    def of(cls, nodes: Nodes, pixels: Value, height: Value, width: Value) -> _Regions:
        """Of some pixels, bool [H, W].

        Neighbouring runs take the lower number of both, and each then the number of the run that it has the number of, until
        nothing changes (Shiloach, Vishkin: An O(log n) parallel connectivity algorithm, Journal of Algorithms 3, 1982).
        """
        columns = nodes.Unsqueeze(width + 2, np.array([0]))
        framed = nodes.Pad(pixels.to(np.int32), np.array([1, 1, 1, 1]), np.int32(0))
        is_set = nodes.Reshape(framed, np.array([-1]))
        before = nodes.Slice(nodes.Pad(is_set, np.array([1, 0]), np.int32(0)), np.array([0]), np.array([-1]))
        starts = is_set > before
        run_of = (nodes.CumSum(starts.to(np.int32), 0) - np.int32(1)).to(np.int64)
        start = nodes.Squeeze(nodes.NonZero(starts), np.array([0]))
        own = nodes.Gather(run_of, start)
        # where two runs touch, one of them starts below or above the other: each is asked for what is around its start
        ones, others = [], []
        for row, column in ((1, -1), (1, 0), (1, 1), (-1, -1), (-1, 0), (-1, 1)):
            place = start + columns * row + column
            is_run = nodes.Gather(is_set, place) > np.int32(0)
            ones.append(own)
            others.append(nodes.Where(is_run, nodes.Gather(run_of, place), own))
        one, other = nodes.Concat(*ones, axis=0), nodes.Concat(*others, axis=0)

        def joined(inside: Nodes, region_of: Value) -> Value:
            leads = inside.Gather(region_of, region_of)
            lower = inside.Min(inside.Gather(leads, one), inside.Gather(leads, other))
            for run in (inside.Gather(region_of, one), inside.Gather(region_of, other), one, other):
                leads = inside.ScatterElements(leads, run, lower, reduction="min")
            return leads

        shape = nodes.Concat(nodes.Unsqueeze(height + 2, np.array([0])), columns, axis=0)
        inner = nodes.Slice(nodes.Reshape(run_of, shape), np.array([1, 1]), np.array([-1, -1]))
        return cls(nodes, pixels, nodes.Max(inner, 0), nodes.until_settled(own, joined))

    def peaks(self, anomaly_map: Value) -> Value:
        """At each pixel of a region the largest value, float32 [H, W], that the map has in it."""
        lowest = self.nodes.ReduceMin(anomaly_map, np.array([0, 1]), keepdims=0)
        return self._over_regions(anomaly_map, lowest, "max")

    def areas(self) -> Value:
        """At each pixel of a region how many it has, int32 [H, W]."""
        return self._over_regions(self.pixels.to(np.int32), np.int32(0), "add")

    def _over_regions(self, values: Value, start: Value | np.generic, reduction: str) -> Value:
        """At each pixel of a region what its values are together: first those of a run, then of its region's runs."""
        nodes = self.nodes
        is_set = nodes.Reshape(self.pixels, np.array([-1]))
        run, inside = (
            nodes.Compress(nodes.Reshape(one, np.array([-1])), is_set, axis=0) for one in (self.run_of, values)
        )
        empty = nodes.Expand(start, nodes.Shape(self.region_of))
        of_runs = nodes.ScatterElements(empty, run, inside, reduction=reduction)
        of_regions = nodes.ScatterElements(empty, self.region_of, of_runs, reduction=reduction)
        return nodes.Gather(nodes.Gather(of_regions, self.region_of), self.run_of)
