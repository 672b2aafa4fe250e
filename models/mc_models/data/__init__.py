"""Image sets, preprocessing, and the generated images."""
