"""The tables that a cloud agent hosts."""

from __future__ import annotations

from mc_proto.v1 import cloud_pb2
from mc_sched.core.tables import CloudTable, Codec, Exit


def describe_to_wire(table: CloudTable, version: str) -> cloud_pb2.DescribeReply:
    """Return a cloud table as the reply of Describe."""
    return cloud_pb2.DescribeReply(
        network=table.name,
        bundle_hash=table.bundle_hash,
        stage_ns=table.stage_ns,
        exits=[
            cloud_pb2.DescribeReply.Exit(
                name=e.name, stage=e.stage, head_ns=e.head_ns, accuracy=e.accuracy
            )
            for e in table.exits
        ],
        version=version,
        codecs=[_codec_to_wire(codec) for codec in table.codecs],
        splits=[_codec_to_wire(codec) for codec in table.splits],
    )


def _codec_to_wire(codec: Codec) -> cloud_pb2.DescribeReply.Codec:
    return cloud_pb2.DescribeReply.Codec(
        name=codec.name,
        stage=codec.stage,
        decode_ns=codec.decode_ns,
        payload_bytes=codec.payload_bytes,
    )


def _codec_from_wire(message: cloud_pb2.DescribeReply.Codec) -> Codec:
    return Codec(message.name, message.stage, message.decode_ns, message.payload_bytes)


def describe_from_wire(message: cloud_pb2.DescribeReply) -> CloudTable:
    """Return the reply of Describe as a cloud table."""
    return CloudTable(
        name=message.network,
        stage_ns=tuple(message.stage_ns),
        exits=tuple(Exit(e.name, e.stage, e.head_ns, dict(e.accuracy)) for e in message.exits),
        bundle_hash=message.bundle_hash,
        codecs=tuple(_codec_from_wire(codec) for codec in message.codecs),
        splits=tuple(_codec_from_wire(codec) for codec in message.splits),
    )
