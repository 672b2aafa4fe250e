"""Whether a network's answer is right, and how sure it is of it.

A task's image has a difficulty z, the same for every network, drawn from a standard normal. Exit i
of expected accuracy a_i sees it with a little noise of its own, s * e_i, and is right where

    z + s * e_i < t_i        with  t_i = sqrt(1 + s^2) * Phi^-1(a_i)

So P(right) is exactly a_i, and as all exits share z, a deeper exit (a larger t_i) is right where a
shallower one is, but for s. This is the Gaussian copula with one common factor; s = 0.3 lets about
2% of the images that an exit of accuracy 0.80 knows escape one of 0.90.

The network does not know z. It sees o = z + v * f_i, and its confidence is P(right | o): calibrated
by construction, as the shipped exits are by their temperature. Of the five labels of an answer the
probabilities add up to this confidence and halve from one to the next; the rest is spread evenly
over the other classes, from which an answer's entropy follows, unless it is told what entropies
there are (see `certainty.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

from mc_sched.core.task import Prediction
from mc_sched.sim.random_table import normals, place, start_of

OWN_NOISE = 0.3
"""s: how much an exit differs from its neighbours."""
VAGUENESS = 0.7
"""v: how little the networks know of their images' difficulty."""
LEVELS = 200
"""Confidences are rounded to so many steps; each step's answer is made once."""
RANKS = 400
"""Answers of one net, from the surest to the least sure, fall into so many ranks of one size."""
CLASSES = 1000
"""ImageNet's."""
_SHARES = tuple(share / 31 for share in (16, 8, 4, 2, 1))
_NORMAL = NormalDist()
_EVERY, _NEVER = 40.0, -40.0


class Truth:
    """The images of one stream, and what the networks make of them; they repeat after `SIZE`.

    An answer depends on the image and the network alone, not on what else was asked: under one seed
    two policies see the same images, and a network says the same of them.
    """

    def __init__(self, seed: str) -> None:
        self._normals, self._start = normals(), start_of(seed)

    def is_right(self, image: int, net: int, accuracy: float) -> bool:
        """Whether net `net`, of this expected accuracy, is right about image `image`."""
        seen = self._normal(image, 0) + OWN_NOISE * self._normal(image, 2 * net + 1)
        return seen < _threshold(accuracy)

    def answer(
        self, image: int, net: int, accuracy: float, entropies: Sequence[float] = ()
    ) -> Prediction:
        """What it says, as sure as it can be; with the entropy of its rank if these are known."""
        seen = self._seen(image, net)
        level = round(_confidence(_threshold(accuracy), seen) * LEVELS)
        return _prediction(level, entropies[_rank(seen)] if entropies else None)

    def confidence(self, image: int, net: int, accuracy: float) -> float:
        """How sure it is, in [0, 1]."""
        return _confidence(_threshold(accuracy), self._seen(image, net))

    def _seen(self, image: int, net: int) -> float:
        return self._normal(image, 0) + VAGUENESS * self._normal(image, 2 * net + 2)

    def _normal(self, image: int, purpose: int) -> float:
        return self._normals[place(self._start, image, purpose)]


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
    """Where an image stands among all, the one that looks easiest first."""
    share = 0.5 * (1 + math.erf(seen / math.sqrt(2 * (1 + VAGUENESS**2))))
    return min(RANKS - 1, int(share * RANKS))


def natural_entropy(sure: float) -> float:
    """-sum(p log p) / log(classes) of an answer of this confidence; it falls as that rises."""
    rest = (1 - sure) / (CLASSES - len(_SHARES))
    named = sum(_nats(sure * share) for share in _SHARES)
    return (named + (CLASSES - len(_SHARES)) * _nats(rest)) / math.log(CLASSES)


def _nats(probability: float) -> float:
    return -probability * math.log(probability) if probability > 0 else 0.0


@cache
def _prediction(level: int, entropy: float | None) -> Prediction:
    sure = level / LEVELS
    top = tuple((label, sure * share) for label, share in enumerate(_SHARES))
    return Prediction(top, natural_entropy(sure) if entropy is None else entropy)
