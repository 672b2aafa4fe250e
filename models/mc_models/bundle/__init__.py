"""Bundles on disk: files, weights, tables."""
