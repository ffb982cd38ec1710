"""Chapters of the book are tests too: the plugin named here runs them."""

import os

pytest_plugins = ("tests.harness.chapters",)

# With -n each worker gets its share of the cores: threads that wait for one another make every test slower.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))
