"""Tests of the front process."""
