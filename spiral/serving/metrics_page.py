"""A metrics page as numbers, for programs that watch a service."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One reading of a metrics page: values by name and labels."""

    values: Mapping[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float | None:
        """One value; None if the page does not have it."""
        return self.values.get((name, tuple(sorted(labels.items()))))

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """All values of a metric by one label's value."""
        return {
            dict(labels)[label]: value
            for (metric, labels), value in self.values.items()
            if metric == name and label in dict(labels)
        }


def parse_page(text: str) -> Page:
    """The finite values of a metrics page in Prometheus' text format; ValueError if the text is not such a page."""
    return Page(
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if math.isfinite(sample.value)
        }
    )
