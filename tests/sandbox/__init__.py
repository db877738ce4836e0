"""The sandbox: real Kubernetes control planes, an OCI registry and a stand-in for AWS, all on loopback.

Acceptance tests, molecule scenarios, benchmarks and `make demo` run on it. Nothing here is imported by the collection.
Use it as `python -m sandbox` (see __main__.py), or from Python through `sandbox.cluster` and `sandbox.lifecycle`.
This file holds nothing but this text.
"""
