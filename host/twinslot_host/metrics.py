"""What the server counts, in the form that Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.check_ins = Counter("twinslot_check_ins", "Check-ins that were accepted", registry=self._registry)
        self.offers = Counter("twinslot_offers", "Offers made in answers to check-ins", registry=self._registry)
        self.reports = Counter("twinslot_reports", "Reports accepted, by event", ["event"], registry=self._registry)
        self.uploads = Counter("twinslot_uploads", "Releases and packages uploaded", registry=self._registry)
        self.deltas = Counter(
            "twinslot_deltas",
            "Transfers against the image that devices run, by what came of the wish for one",
            ["outcome"],
            registry=self._registry,
        )
        self.operations_sent = Counter(
            "twinslot_operations_sent", "Operations in answers to check-ins, by kind", ["kind"], registry=self._registry
        )
        self.operation_reports = Counter(
            "twinslot_operation_reports", "Reports of operations kept, by state", ["state"], registry=self._registry
        )
        self.operations = Gauge(
            "twinslot_operations", "Operations that are not over, by state", ["state"], registry=self._registry
        )
        self.held = Gauge("twinslot_held_check_ins", "Check-ins that are held open", registry=self._registry)
        self.requests = Gauge(
            "twinslot_device_requests", "Requests of devices in progress, held ones aside", registry=self._registry
        )
        self.devices_seen = Gauge(
            "twinslot_devices_seen", "Devices that have ever proven themselves", registry=self._registry
        )
        self.request_seconds = Histogram(
            "twinslot_request_seconds",
            "Time to answer, by method, route and status",
            ["method", "route", "status"],
            registry=self._registry,
        )

    def text(self) -> bytes:
        """Everything, in the text format 0.0.4."""
        return generate_latest(self._registry)
