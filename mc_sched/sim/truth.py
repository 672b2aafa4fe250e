"""Model of the networks' answers: whether an answer is right, and its confidence.

A task's image has a difficulty z, the same for every network, drawn from a standard normal. Exit i
of expected accuracy a_i sees it with a little noise of its own, s * e_i, and is right if

    z + s * e_i < t_i        with  t_i = sqrt(1 + s^2) * Phi^-1(a_i)

So P(right) is exactly a_i. As all exits share z, a deeper exit (with a larger t_i) is right if a
shallower one is, except for the noise. This is the Gaussian copula with one common factor; with
s = 0.3, an exit of accuracy 0.90 is wrong on about 2% of the images on which one of 0.80 is right.

The network does not know z. It sees o = z + v * f_i, and its confidence is P(right | o). It is
calibrated by construction, as the shipped exits are by their temperature. The probabilities of an
answer's five labels add up to this confidence and halve from one label to the next; the rest is
distributed evenly over the other classes. The entropy of the answer follows from that, unless
measured entropies are given (see `entropy.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

from mc_sched.core.task import Prediction
from mc_sched.sim.random_table import normal_deviates, seed_offset, table_index

OWN_NOISE = 0.3
"""s: how much an exit differs from the others."""
VAGUENESS = 0.7
"""v: noise in the networks' knowledge of an image's difficulty."""
LEVELS = 200
"""Number of steps to which confidences are rounded; each step's answer is made once."""
RANKS = 400
"""Number of equal ranks of a net's answers, from the surest to the least sure."""
CLASSES = 1000
"""Classes of ImageNet."""
_SHARES = tuple(share / 31 for share in (16, 8, 4, 2, 1))
_NORMAL = NormalDist()
_EVERY, _NEVER = 40.0, -40.0


class Truth:
    """The images of one stream and the networks' answers; they repeat after `SIZE` images.

    An answer depends only on the image and the network. Under one seed, two policies see the same
    images and get the same answers.
    """

    def __init__(self, seed: str) -> None:
        self._normals, self._offset = normal_deviates(), seed_offset(seed)

    def is_right(self, image: int, net: int, accuracy: float) -> bool:
        """Return True if network `net`, of this expected accuracy, is right about the image."""
        seen = self._normal(image, 0) + OWN_NOISE * self._normal(image, 2 * net + 1)
        return seen < _threshold(accuracy)

    def answer(
        self, image: int, net: int, accuracy: float, entropies: Sequence[float] = ()
    ) -> Prediction:
        """Return the network's answer; its entropy is that of its rank if `entropies` are given."""
        seen = self._seen(image, net)
        level = round(_confidence(_threshold(accuracy), seen) * LEVELS)
        return _prediction(level, entropies[_rank(seen)] if entropies else None)

    def confidence(self, image: int, net: int, accuracy: float) -> float:
        """Return the network's confidence in its answer, in [0, 1]."""
        return _confidence(_threshold(accuracy), self._seen(image, net))

    def _seen(self, image: int, net: int) -> float:
        return self._normal(image, 0) + VAGUENESS * self._normal(image, 2 * net + 2)

    def _normal(self, image: int, purpose: int) -> float:
        return self._normals[table_index(self._offset, image, purpose)]


@cache
def _threshold(accuracy: float) -> float:
    if accuracy >= 1.0:
        return _EVERY
    if accuracy <= 0.0:
        return _NEVER
    return math.sqrt(1 + OWN_NOISE**2) * _NORMAL.inv_cdf(accuracy)


def _confidence(threshold: float, seen: float) -> float:
    """P(z + s e < t | z + v f = o): z given o is normal with mean o / (1 + v^2)."""
    mean = seen / (1 + VAGUENESS**2)
    deviation = math.sqrt(VAGUENESS**2 / (1 + VAGUENESS**2) + OWN_NOISE**2)
    return 0.5 * (1 + math.erf((threshold - mean) / (deviation * math.sqrt(2))))


def _rank(seen: float) -> int:
    """Return the rank of an image among all, the one that looks easiest first."""
    share = 0.5 * (1 + math.erf(seen / math.sqrt(2 * (1 + VAGUENESS**2))))
    return min(RANKS - 1, int(share * RANKS))


def natural_entropy(confidence: float) -> float:
    """Return -sum(p log p) / log(classes) of an answer of this confidence."""
    rest = (1 - confidence) / (CLASSES - len(_SHARES))
    named = sum(_nats(confidence * share) for share in _SHARES)
    return (named + (CLASSES - len(_SHARES)) * _nats(rest)) / math.log(CLASSES)


def _nats(probability: float) -> float:
    return -probability * math.log(probability) if probability > 0 else 0.0


@cache
def _prediction(level: int, entropy: float | None) -> Prediction:
    confidence = level / LEVELS
    top = tuple((label, confidence * share) for label, share in enumerate(_SHARES))
    return Prediction(top, natural_entropy(confidence) if entropy is None else entropy)
