"""The daemon on the GPU server."""
