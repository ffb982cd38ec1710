"""Chapters of the book are tests too: the plugin named here runs them."""

pytest_plugins = ("tests.harness.chapters",)
