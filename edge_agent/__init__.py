"""The daemon on the edge device."""
