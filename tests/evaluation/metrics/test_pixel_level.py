"""Pixel-level figures are those of scikit-learn, AUPRO that of its definition; in little memory, within stated bounds."""

from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from paddlex.evaluation.metrics import PixelAccumulator, PixelMetrics, confusion_at

Images = list[tuple[np.ndarray, np.ndarray]]


def make_images(count: int, size: int, decimals: int, seed: int = 0) -> Images:
    """Noise that is higher in the masks; the fewer decimals, the more pixels are equal. Every third image is normal."""
    generator = np.random.default_rng(seed)
    images = []
    for number in range(count):
        mask = ndimage.gaussian_filter(generator.normal(size=(size, size)), 2) > (0.12 if number % 3 else 9)
        anomaly_map = ndimage.gaussian_filter(generator.normal(size=(size, size)), 1) + 0.2 * mask
        images.append((anomaly_map.round(decimals).astype(np.float32), mask))
    return images


def accumulated(images: Images, **options: int) -> PixelAccumulator:
    accumulator = PixelAccumulator(**options)
    for anomaly_map, mask in images:
        accumulator.add(anomaly_map, mask)
    return accumulator


def labelled(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """(labels, scores) of all pixels, as scikit-learn takes them."""
    return np.concatenate([mask.ravel() for _, mask in images]), np.concatenate([map_.ravel() for map_, _ in images])


def one_image(anomaly_map: list[list[float]], mask: list[list[int]]) -> PixelMetrics:
    return accumulated([(np.array(anomaly_map, np.float32), np.array(mask, bool))]).compute()


many_ties = pytest.param(make_images(7, 48, decimals=1), id="many ties")
no_ties = pytest.param(make_images(7, 48, decimals=9), id="hardly any ties")
positive = pytest.param(
    [(np.exp(map_), mask) for map_, mask in make_images(4, 48, decimals=9)], id="no negative values"
)
constant = pytest.param([(map_ * 0, mask) for map_, mask in make_images(4, 48, decimals=1)], id="zeros of both signs")
every_kind = pytest.mark.parametrize("images", [many_ties, no_ties, positive, constant])


# Against scikit-learn


@every_kind
def test_auroc_and_average_precision_are_those_of_scikit_learn(images):
    metrics = accumulated(images).compute()
    assert metrics.auroc == pytest.approx(roc_auc_score(*labelled(images)), abs=1e-12)
    assert metrics.average_precision == pytest.approx(average_precision_score(*labelled(images)), abs=1e-12)


@every_kind
def test_best_f1_is_the_highest_along_the_precision_recall_curve_of_scikit_learn(images):
    precision, recall, _ = precision_recall_curve(*labelled(images))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    assert accumulated(images).compute().best_f1 == pytest.approx(f1.max(), abs=1e-12)


@every_kind
@pytest.mark.parametrize("max_distinct", [2**22, 512])
def test_pixels_above_the_best_threshold_give_the_best_f1(images, max_distinct):
    labels, scores = labelled(images)
    metrics = accumulated(images, max_distinct=max_distinct).compute()
    found = confusion_at(np.float32(metrics.best_f1_threshold), scores[~labels], scores[labels])
    assert found.f1 == pytest.approx(metrics.best_f1, abs=1e-12)


@pytest.mark.parametrize("max_distinct", [2**22, 512])
@every_kind
def test_the_points_of_the_curves_are_what_their_thresholds_give(images, max_distinct):
    labels, scores = labelled(images)
    metrics = accumulated(images, max_distinct=max_distinct).compute()
    for x, y, threshold in zip(*asdict(metrics.roc_curve).values(), strict=True):
        counts = confusion_at(threshold, scores[~labels], scores[labels])
        assert (x, y) == pytest.approx((counts.false_positive_rate, counts.recall), abs=1e-12)
    for x, y, threshold in zip(*asdict(metrics.precision_recall_curve).values(), strict=True):
        counts = confusion_at(threshold, scores[~labels], scores[labels])
        assert (x, y) == pytest.approx((counts.recall, counts.precision), abs=1e-12)


def test_the_area_under_the_roc_curve_is_the_auroc():
    metrics = accumulated(make_images(7, 48, decimals=1)).compute()
    assert metrics.roc_curve.area() == pytest.approx(metrics.auroc, abs=1e-12)


# AUPRO, by hand


@pytest.mark.parametrize("limit", ["aupro_30", "aupro_05"])
def test_aupro_of_perfect_maps_is_1(limit):
    metrics = one_image([[0.9, 0.1, 0.8]], [[1, 0, 1]])
    assert getattr(metrics, limit) == pytest.approx(1)


@pytest.mark.parametrize("limit", ["aupro_30", "aupro_05"])
def test_aupro_of_maps_that_find_all_normal_pixels_first_is_0(limit):
    metrics = one_image([[0.1, 0.9, 0.2]], [[1, 0, 1]])
    assert getattr(metrics, limit) == pytest.approx(0)


def test_aupro_of_a_constant_map_is_that_of_the_diagonal():
    """All pixels are tied: the curve goes from (0, 0) to (1, 1) in one step; the triangle up to 0.3 is 0.3 high."""
    metrics = one_image([[0.5, 0.5, 0.5]], [[1, 0, 0]])
    assert metrics.aupro_30 == pytest.approx(0.15)
    assert metrics.aupro_05 == pytest.approx(0.025)


def test_every_region_counts_the_same_whatever_its_size():
    """One region of 1 pixel is found before the 10 normal pixels, one of 4 pixels after them: half of the regions."""
    metrics = one_image([[0.9] + [0.5] * 10 + [0.1] * 4], [[1] + [0] * 10 + [1] * 4])
    assert metrics.pro_curve.x.tolist() == [0, 0, 1, 1]
    assert metrics.pro_curve.y.tolist() == [0, 0.5, 0.5, 1]
    assert metrics.aupro_30 == pytest.approx(0.5)


def test_the_curve_is_cut_at_the_limit_by_linear_interpolation():
    """With 2 normal pixels, the region's 4 pixels tied in pairs with one each: (0, 0), (1/2, 1/2), (1, 1), cut at 0.3."""
    metrics = one_image([[0.9, 0.9, 0.9, 0.1, 0.1, 0.1]], [[1, 1, 0, 1, 1, 0]])
    assert metrics.aupro_30 == pytest.approx(0.15)
    assert one_image([[0.9, 0.9, 0.9, 0.1]], [[1, 1, 0, 0]]).aupro_30 == pytest.approx(0.3)  # (0, 0), (1/2, 1)


def test_pixels_that_touch_at_a_corner_are_one_region():
    """One region of 4 pixels, 1 of which is found before any normal pixel."""
    metrics = one_image([[-1, -1, -1, 0], [0, 0, 0, 0.9]], [[1, 1, 1, 0], [0, 0, 0, 1]])
    assert metrics.aupro_30 == pytest.approx(1 / 4)


def test_the_false_positive_rate_is_over_the_normal_pixels_of_all_images():
    """10 normal pixels, 9 of them in a normal image; one is found before the defect: a step up at 0.1."""
    accumulator = PixelAccumulator()
    accumulator.add(np.array([[0.9] + [0.0] * 8], np.float32), np.zeros((1, 9), bool))
    accumulator.add(np.array([[0.5, 0.0]], np.float32), np.array([[True, False]]))
    assert accumulator.compute().aupro_30 == pytest.approx(0.2 / 0.3)


# AUPRO, by its definition


def pro_by_definition(images: Images) -> list[tuple[float, float]]:
    """(false-positive rate, per-region overlap) for every threshold, found by applying it to every image."""
    points = [(0.0, 0.0)]
    normal_pixels = sum(int((~mask).sum()) for _, mask in images)
    for threshold in sorted({value for map_, _ in images for value in map_.ravel().tolist()}, reverse=True):
        false_positives, overlaps = 0, []
        for anomaly_map, mask in images:
            found = anomaly_map >= threshold
            false_positives += int((found & ~mask).sum())
            regions, count = ndimage.label(mask, structure=np.ones((3, 3)))
            overlaps += [found[regions == region].mean() for region in range(1, count + 1)]
        points.append((false_positives / normal_pixels, float(np.mean(overlaps))))
    return points


def area_by_definition(points: list[tuple[float, float]], limit: float) -> float:
    """Trapezium by trapezium, the last one cut at the limit."""
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / limit


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decimals", [pytest.param(1, id="many ties"), pytest.param(4, id="few ties")])
def test_aupro_is_that_of_the_definition(decimals, seed):
    images = make_images(4, 24, decimals, seed)
    points = pro_by_definition(images)
    metrics = accumulated(images).compute()
    assert metrics.aupro_30 == pytest.approx(area_by_definition(points, 0.3), abs=1e-12)
    assert metrics.aupro_05 == pytest.approx(area_by_definition(points, 0.05), abs=1e-12)


def test_the_points_of_the_pro_curve_are_among_those_of_the_definition():
    images = make_images(4, 24, decimals=1)
    metrics = accumulated(images).compute()
    points = np.array(pro_by_definition(images))
    for x, y in zip(metrics.pro_curve.x, metrics.pro_curve.y, strict=True):
        assert np.abs(points - (x, y)).sum(1).min() < 1e-12


# Bounded memory

FIGURES = ("auroc", "average_precision", "best_f1", "aupro_30", "aupro_05")


@every_kind
def test_figures_are_exact_and_say_so_while_all_values_are_kept_apart(images):
    assert accumulated(images).compute().error_bounds == dict.fromkeys(FIGURES, 0.0)


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("images", [no_ties, positive])
def test_with_more_values_than_may_be_kept_apart_figures_are_within_their_bounds(images, figure):
    exact, bounded = (accumulated(images, max_distinct=limit).compute() for limit in (2**22, 512))
    bound = bounded.error_bounds[figure]
    assert 0 < bound < 0.05
    assert abs(getattr(bounded, figure) - getattr(exact, figure)) <= bound


@pytest.mark.parametrize("order", ["anomalous first", "normal first"])
def test_bounds_hold_in_the_worst_order(order):
    """Of every 8 neighbouring floats, which share an interval, the upper or the lower 6 are anomalous."""
    neighbours = (np.float32(1).view(np.int32) + np.arange(4096, dtype=np.int32)).view(np.float32)
    place = np.arange(4096) % 8
    images = [(neighbours[None], (place > 1 if order == "anomalous first" else place < 6)[None])]
    exact, bounded = (accumulated(images, max_distinct=limit).compute() for limit in (2**22, 512))
    for figure in FIGURES:
        off = abs(getattr(bounded, figure) - getattr(exact, figure))
        assert off <= bounded.error_bounds[figure] + 1e-12
    assert abs(bounded.auroc - exact.auroc) == pytest.approx(bounded.error_bounds["auroc"], rel=1e-6) != 0


def test_the_order_of_the_images_does_not_matter():
    images = make_images(7, 48, decimals=9)
    forward, backward = accumulated(images).compute(), accumulated(images[::-1]).compute()
    for figure in FIGURES:
        assert getattr(forward, figure) == pytest.approx(getattr(backward, figure), abs=1e-12)


# Defect types


def test_a_defect_type_is_held_against_the_normal_pixels_of_all_images():
    images = make_images(7, 48, decimals=1)
    types = ["good", "scratch", "dent", "good", "dent", "dent", "good"]
    accumulator = PixelAccumulator()
    for (anomaly_map, mask), defect_type in zip(images, types, strict=True):
        accumulator.add(anomaly_map, mask, defect_type)
    by_type = accumulator.compute_by_type()
    assert by_type.keys() == {"scratch", "dent"}
    labels, scores = labelled(images)
    type_of_pixel = np.repeat(types, images[0][0].size)
    for name, metrics in by_type.items():
        used = ~labels | (type_of_pixel == name)
        assert metrics.auroc == pytest.approx(roc_auc_score(labels[used], scores[used]), abs=1e-12)
        expected = average_precision_score(labels[used], scores[used])
        assert metrics.average_precision == pytest.approx(expected, abs=1e-12)


def test_all_types_together_are_the_whole():
    images = make_images(7, 48, decimals=1)
    accumulator = PixelAccumulator()
    for number, (anomaly_map, mask) in enumerate(images):
        accumulator.add(anomaly_map, mask, defect_type=str(number))
    whole = accumulated(images).compute()
    for figure in FIGURES:
        assert getattr(accumulator.compute(), figure) == pytest.approx(getattr(whole, figure), abs=1e-12)


def test_figures_may_be_asked_for_in_between():
    images = make_images(7, 48, decimals=9)
    accumulator = PixelAccumulator(max_distinct=512)
    for anomaly_map, mask in images:
        accumulator.add(anomaly_map, mask)
        accumulator.compute()
    assert accumulator.compute().auroc == pytest.approx(roc_auc_score(*labelled(images)), abs=0.01)


# What cannot be computed


@pytest.mark.parametrize("anomalous", [True, False])
def test_without_normal_or_without_anomalous_pixels_there_are_no_figures(anomalous):
    images = [(np.ones((3, 3), np.float32), np.full((3, 3), anomalous))]
    assert set(asdict(accumulated(images).compute()).values()) == {None}


def test_nothing_added_gives_no_figures():
    assert set(asdict(PixelAccumulator().compute()).values()) == {None}
    assert PixelAccumulator().compute_by_type() == {}


@pytest.mark.parametrize(
    ("anomaly_map", "mask"),
    [
        pytest.param(np.ones((2, 2)), np.ones((2, 2), bool), id="float64 map"),
        pytest.param(np.ones((2, 2), np.float32), np.ones((2, 2), np.uint8), id="uint8 mask"),
        pytest.param(np.ones((2, 2), np.float32), np.ones((2, 3), bool), id="two shapes"),
        pytest.param(np.ones((1, 2, 2), np.float32), np.ones((1, 2, 2), bool), id="three axes"),
        pytest.param(np.array([[np.nan]], np.float32), np.ones((1, 1), bool), id="not a number"),
        pytest.param(np.array([[np.inf]], np.float32), np.ones((1, 1), bool), id="infinity"),
    ],
)
def test_what_is_not_a_finite_float32_map_with_a_bool_mask_is_refused(anomaly_map, mask):
    with pytest.raises(ValueError, match=r"float32 map|finite"):
        PixelAccumulator().add(anomaly_map, mask)
