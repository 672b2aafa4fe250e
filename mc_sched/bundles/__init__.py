"""The core's tables, made from a bundle and a profile."""
