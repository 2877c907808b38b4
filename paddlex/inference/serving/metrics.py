"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCHES = (1, 2, 4, 8, 16, 32)
_SCORES = tuple(step / 20 for step in range(1, 20))

#: The content type of ``Metrics.text``.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "paddlex_http_requests", "Requests answered.", ("method", "endpoint", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "paddlex_http_request_seconds",
            "From the head of a request to the end of its answer.",
            ("endpoint",), buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.requests_in_flight = Gauge("paddlex_http_requests_in_flight", "Requests at work.", registry=registry)
        self.images = Counter("paddlex_images_judged", "Images judged.", ("model",), registry=registry)
        self.anomalous = Counter("paddlex_images_anomalous", "Of these, anomalous.", ("model",), registry=registry)
        self.rejected = Counter(
            "paddlex_images_rejected", "Images that could not be judged.", ("status",), registry=registry
        )
        self.scores = Histogram(
            "paddlex_image_score", "Scores of the images judged: 0.5 is the threshold. A drift shows here first.",
            ("model",), buckets=_SCORES, registry=registry,
        )  # fmt: skip
        self.batch_size = Histogram(
            "paddlex_batch_size", "Images in a batch.", ("model",), buckets=_BATCHES, registry=registry
        )
        self.inference_seconds = Histogram(
            "paddlex_inference_seconds", "A batch in the predictor.", ("model",), buckets=_SECONDS, registry=registry
        )
        self.queue_depth = Gauge("paddlex_queue_depth", "Images that wait.", ("model",), registry=registry)
        self.reloads = Counter("paddlex_model_reloads", "Reloads of a model.", ("model",), registry=registry)

    def watch_model(self, model: str, depth: Callable[[], int]) -> Callable[[int, float], None]:
        """Show a model's queue; returns what its batcher calls after each batch."""
        self.queue_depth.labels(model).set_function(depth)
        sizes, seconds = self.batch_size.labels(model), self.inference_seconds.labels(model)

        def observe(images: int, duration: float) -> None:
            sizes.observe(images)
            seconds.observe(duration)

        return observe

    def judged(self, model: str, score: float, is_anomalous: bool) -> None:
        """Count an image."""
        self.images.labels(model).inc()
        self.scores.labels(model).observe(score)
        if is_anomalous:
            self.anomalous.labels(model).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)
