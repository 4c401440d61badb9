"""Inspects and changes a run in a Kubernetes cluster through the cluster's API, for ``spiral k8s``.

It needs the official client (``pip install 'spiral-painter[k8s]'``); no service imports it.
"""
