"""Checks of a node, each with a remedy."""
