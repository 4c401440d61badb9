"""A run in a Kubernetes cluster, looked at and changed through the cluster's API: what ``spiral k8s`` does.

Needs the official client (``pip install 'spiral-painter[k8s]'``); no service imports it.
"""
