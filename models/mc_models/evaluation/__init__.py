"""Accuracy and privacy of a bundle, measured on images."""
