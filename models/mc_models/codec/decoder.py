"""The server's half of the `features` codec: from a message to an activation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mc_models.bundle.rows import CodecRow
from mc_models.codec.feature_codec import FEATURES
from mc_models.codec.quantise import to_values


class FeatureDecoder:
    """Decode messages to the input of the stage behind the cut.

    `receive` is `FeatureCodec.receive`, or its prepared form.
    """

    def __init__(self, receive: Callable[[Tensor], Tensor], row: CodecRow) -> None:
        self._receive = receive
        self._row = row

    @torch.inference_mode()
    def __call__(self, message: bytes) -> Tensor:
        """Activation [1, channels_in, side_in, side_in], channels_last.

        Raises ValueError if the message has the wrong size.
        """
        if len(message) != self._row.message_bytes:
            raise ValueError(
                f"a {FEATURES} message has {self._row.message_bytes} bytes, "
                f"this one has {len(message)}"
            )
        shape = (1, self._row.channels, self._row.side, self._row.side)
        codes = torch.frombuffer(bytearray(message), dtype=torch.uint8).reshape(shape)
        return self._receive(to_values(codes).contiguous(memory_format=torch.channels_last))
