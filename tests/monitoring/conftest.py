"""The renders of the manifests and the cluster of processes, as other tests have them."""

from tests.k8s.e2e.conftest import cluster
from tests.k8s.static.conftest import rendered

__all__ = ["cluster", "rendered"]
