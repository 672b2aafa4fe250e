"""Codecs: the form in which an image, or what was computed from it, leaves the device.

jpeg needs no code here. `feature_codec` is the trained module of the `features` codec, `encoder`
its half on the device, `decoder` its half on the server, `quantise` the noise and the 8-bit
levels between them, `cut` the two parts of a cloud net on either side of the codec. `splits`
packs raw activations for policies that partition the net.
"""
