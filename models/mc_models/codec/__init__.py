"""Codecs: how an image leaves the device."""
