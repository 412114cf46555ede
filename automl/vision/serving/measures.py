"""What Prometheus reads at /metrics. Each server has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Measures:
    """Requests by route and status, their seconds, images, batches, and what is at work."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("tessera_requests", "Answered requests.", ("route", "status"), registry=self.registry)
        self.seconds = Histogram(
            "tessera_request_seconds", "Seconds to an answer.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.images = Counter("tessera_images", "Images that were answered.", registry=self.registry)
        self.batch = Histogram(
            "tessera_batch_images",
            "Images that went through the model together.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.inference = Histogram(
            "tessera_inference_seconds", "Seconds of a batch in the model.", buckets=_SECONDS, registry=self.registry
        )
        self.at_work = Gauge(
            "tessera_images_at_work", "Images that are read, waiting or computed.", registry=self.registry
        )
        self.ready = Gauge("tessera_ready", "1 when the model takes requests.", registry=self.registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)
