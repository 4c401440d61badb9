"""A renderer that is added gets its share of streams in time, with all as it ships."""

from __future__ import annotations

import time

import pytest

from cluster.cluster import Cluster
from tests.k8s.e2e.learning import NEW_RENDERER_S, all_paint, until_learning
from tests.k8s.e2e.manifests_of_the_project import SMALL, project, with_run


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_new_renderer_paints_in_time(cluster: Cluster) -> None:
    """It is known when a connection has ended by age; of the streams that are opened from then on, half are its own."""
    cluster.apply(with_run(project(), SMALL))
    cluster.scale("renderer", 1)
    until_learning(cluster)
    cluster.scale("renderer", 2)
    cluster.until(lambda: cluster.ready("renderer"), "two renderers")
    ready_at = time.monotonic()
    cluster.until(lambda: all_paint(cluster), "both to have painted", patience_s=NEW_RENDERER_S)
    print(f"a new renderer paints {time.monotonic() - ready_at:.0f} s after it became ready")
