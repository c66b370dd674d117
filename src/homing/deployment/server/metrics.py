"""What the server counts, for Prometheus."""

from __future__ import annotations

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The server's own registry; several applications in a process do not meet."""

    def __init__(self) -> None:
        from prometheus_client import (
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            PlatformCollector,
            ProcessCollector,
        )

        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        of = {"registry": self.registry}
        self.requests = Counter(
            "homing_requests", "Requests answered.", ("endpoint", "status"), **of
        )
        self.seconds = Histogram(
            "homing_request_seconds",
            "From the headers of a request to its answer.",
            ("endpoint",),
            buckets=SECONDS,
            **of,
        )
        self.rejected = Counter("homing_rejected", "Requests refused, by why.", ("code",), **of)
        self.abandoned = Counter(
            "homing_abandoned", "Requests whose client left before the answer.", **of
        )
        self.tokens = Counter("homing_tokens", "Tokens that the model read.", **of)
        self.batch_texts = Histogram(
            "homing_batch_texts", "Texts in one run of the model.", ("work",), buckets=TEXTS, **of
        )
        self.batch_seconds = Histogram(
            "homing_batch_seconds", "One run of the model.", ("work",), buckets=SECONDS, **of
        )
        self.queued_texts = Gauge(
            "homing_queue_texts", "Texts that wait for the model.", ("work",), **of
        )
        self.inside = Gauge(
            "homing_queue_requests", "Requests that are accepted and not yet answered.", **of
        )

    def text(self) -> tuple[bytes, str]:
        """Return all of it as Prometheus reads it, and its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST
