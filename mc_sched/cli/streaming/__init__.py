"""Streams of frames for `submit` and `demo`: reading the images and sending them on time."""
