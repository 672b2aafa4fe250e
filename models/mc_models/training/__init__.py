"""Training of networks, exits and codecs, up to a finished bundle."""
