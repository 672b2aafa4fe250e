from mc_proto.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeReply(_message.Message):
    __slots__ = ("network", "bundle_hash", "stage_ns", "exits", "version", "codecs", "splits")
    class Exit(_message.Message):
        __slots__ = ("name", "stage", "head_ns", "accuracy")
        class AccuracyEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: float
            def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
        NAME_FIELD_NUMBER: _ClassVar[int]
        STAGE_FIELD_NUMBER: _ClassVar[int]
        HEAD_NS_FIELD_NUMBER: _ClassVar[int]
        ACCURACY_FIELD_NUMBER: _ClassVar[int]
        name: str
        stage: int
        head_ns: int
        accuracy: _containers.ScalarMap[str, float]
        def __init__(self, name: _Optional[str] = ..., stage: _Optional[int] = ..., head_ns: _Optional[int] = ..., accuracy: _Optional[_Mapping[str, float]] = ...) -> None: ...
    class Codec(_message.Message):
        __slots__ = ("name", "stage", "decode_ns", "payload_bytes")
        NAME_FIELD_NUMBER: _ClassVar[int]
        STAGE_FIELD_NUMBER: _ClassVar[int]
        DECODE_NS_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
        name: str
        stage: int
        decode_ns: int
        payload_bytes: int
        def __init__(self, name: _Optional[str] = ..., stage: _Optional[int] = ..., decode_ns: _Optional[int] = ..., payload_bytes: _Optional[int] = ...) -> None: ...
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_HASH_FIELD_NUMBER: _ClassVar[int]
    STAGE_NS_FIELD_NUMBER: _ClassVar[int]
    EXITS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    network: str
    bundle_hash: str
    stage_ns: _containers.RepeatedScalarFieldContainer[int]
    exits: _containers.RepeatedCompositeFieldContainer[DescribeReply.Exit]
    version: str
    codecs: _containers.RepeatedCompositeFieldContainer[DescribeReply.Codec]
    splits: _containers.RepeatedCompositeFieldContainer[DescribeReply.Codec]
    def __init__(self, network: _Optional[str] = ..., bundle_hash: _Optional[str] = ..., stage_ns: _Optional[_Iterable[int]] = ..., exits: _Optional[_Iterable[_Union[DescribeReply.Exit, _Mapping]]] = ..., version: _Optional[str] = ..., codecs: _Optional[_Iterable[_Union[DescribeReply.Codec, _Mapping]]] = ..., splits: _Optional[_Iterable[_Union[DescribeReply.Codec, _Mapping]]] = ...) -> None: ...

class SessionRequest(_message.Message):
    __slots__ = ("hello", "open", "chunk", "sent_ns")
    class Hello(_message.Message):
        __slots__ = ("edge_id", "bundle_hash")
        EDGE_ID_FIELD_NUMBER: _ClassVar[int]
        BUNDLE_HASH_FIELD_NUMBER: _ClassVar[int]
        edge_id: str
        bundle_hash: str
        def __init__(self, edge_id: _Optional[str] = ..., bundle_hash: _Optional[str] = ...) -> None: ...
    class Open(_message.Message):
        __slots__ = ("task_id", "codec", "payload_bytes", "accuracy", "budget_ns", "down_ns", "exit_rule", "reply_in_ns", "trace_id", "wanted", "head")
        TASK_ID_FIELD_NUMBER: _ClassVar[int]
        CODEC_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
        ACCURACY_FIELD_NUMBER: _ClassVar[int]
        BUDGET_NS_FIELD_NUMBER: _ClassVar[int]
        DOWN_NS_FIELD_NUMBER: _ClassVar[int]
        EXIT_RULE_FIELD_NUMBER: _ClassVar[int]
        REPLY_IN_NS_FIELD_NUMBER: _ClassVar[int]
        TRACE_ID_FIELD_NUMBER: _ClassVar[int]
        WANTED_FIELD_NUMBER: _ClassVar[int]
        HEAD_FIELD_NUMBER: _ClassVar[int]
        task_id: str
        codec: str
        payload_bytes: int
        accuracy: float
        budget_ns: int
        down_ns: int
        exit_rule: _common_pb2.ExitRule
        reply_in_ns: int
        trace_id: str
        wanted: int
        head: bytes
        def __init__(self, task_id: _Optional[str] = ..., codec: _Optional[str] = ..., payload_bytes: _Optional[int] = ..., accuracy: _Optional[float] = ..., budget_ns: _Optional[int] = ..., down_ns: _Optional[int] = ..., exit_rule: _Optional[_Union[_common_pb2.ExitRule, str]] = ..., reply_in_ns: _Optional[int] = ..., trace_id: _Optional[str] = ..., wanted: _Optional[int] = ..., head: _Optional[bytes] = ...) -> None: ...
    class Chunk(_message.Message):
        __slots__ = ("task_id", "data")
        TASK_ID_FIELD_NUMBER: _ClassVar[int]
        DATA_FIELD_NUMBER: _ClassVar[int]
        task_id: str
        data: bytes
        def __init__(self, task_id: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...
    HELLO_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SENT_NS_FIELD_NUMBER: _ClassVar[int]
    hello: SessionRequest.Hello
    open: SessionRequest.Open
    chunk: SessionRequest.Chunk
    sent_ns: int
    def __init__(self, hello: _Optional[_Union[SessionRequest.Hello, _Mapping]] = ..., open: _Optional[_Union[SessionRequest.Open, _Mapping]] = ..., chunk: _Optional[_Union[SessionRequest.Chunk, _Mapping]] = ..., sent_ns: _Optional[int] = ...) -> None: ...

class SessionReply(_message.Message):
    __slots__ = ("messages", "credits", "load")
    class Load(_message.Message):
        __slots__ = ("queue_ns", "slowdown", "draining")
        QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
        SLOWDOWN_FIELD_NUMBER: _ClassVar[int]
        DRAINING_FIELD_NUMBER: _ClassVar[int]
        queue_ns: int
        slowdown: float
        draining: bool
        def __init__(self, queue_ns: _Optional[int] = ..., slowdown: _Optional[float] = ..., draining: _Optional[bool] = ...) -> None: ...
    class TaskMessage(_message.Message):
        __slots__ = ("task_id", "accepted", "progressed", "result", "refused", "stopped", "rejected", "story")
        TASK_ID_FIELD_NUMBER: _ClassVar[int]
        ACCEPTED_FIELD_NUMBER: _ClassVar[int]
        PROGRESSED_FIELD_NUMBER: _ClassVar[int]
        RESULT_FIELD_NUMBER: _ClassVar[int]
        REFUSED_FIELD_NUMBER: _ClassVar[int]
        STOPPED_FIELD_NUMBER: _ClassVar[int]
        REJECTED_FIELD_NUMBER: _ClassVar[int]
        STORY_FIELD_NUMBER: _ClassVar[int]
        task_id: str
        accepted: SessionReply.Accepted
        progressed: SessionReply.Progressed
        result: SessionReply.Result
        refused: SessionReply.Refused
        stopped: SessionReply.Stopped
        rejected: SessionReply.Rejected
        story: _containers.RepeatedCompositeFieldContainer[SessionReply.Moment]
        def __init__(self, task_id: _Optional[str] = ..., accepted: _Optional[_Union[SessionReply.Accepted, _Mapping]] = ..., progressed: _Optional[_Union[SessionReply.Progressed, _Mapping]] = ..., result: _Optional[_Union[SessionReply.Result, _Mapping]] = ..., refused: _Optional[_Union[SessionReply.Refused, _Mapping]] = ..., stopped: _Optional[_Union[SessionReply.Stopped, _Mapping]] = ..., rejected: _Optional[_Union[SessionReply.Rejected, _Mapping]] = ..., story: _Optional[_Iterable[_Union[SessionReply.Moment, _Mapping]]] = ...) -> None: ...
    class Moment(_message.Message):
        __slots__ = ("name", "at_ns", "took_ns", "detail")
        NAME_FIELD_NUMBER: _ClassVar[int]
        AT_NS_FIELD_NUMBER: _ClassVar[int]
        TOOK_NS_FIELD_NUMBER: _ClassVar[int]
        DETAIL_FIELD_NUMBER: _ClassVar[int]
        name: str
        at_ns: int
        took_ns: int
        detail: str
        def __init__(self, name: _Optional[str] = ..., at_ns: _Optional[int] = ..., took_ns: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...
    class Accepted(_message.Message):
        __slots__ = ("exit", "predicted_ns", "queue_ns", "held_ns", "transfer_ns")
        EXIT_FIELD_NUMBER: _ClassVar[int]
        PREDICTED_NS_FIELD_NUMBER: _ClassVar[int]
        QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
        HELD_NS_FIELD_NUMBER: _ClassVar[int]
        TRANSFER_NS_FIELD_NUMBER: _ClassVar[int]
        exit: str
        predicted_ns: int
        queue_ns: int
        held_ns: int
        transfer_ns: int
        def __init__(self, exit: _Optional[str] = ..., predicted_ns: _Optional[int] = ..., queue_ns: _Optional[int] = ..., held_ns: _Optional[int] = ..., transfer_ns: _Optional[int] = ...) -> None: ...
    class Progressed(_message.Message):
        __slots__ = ("stage", "remaining_ns")
        STAGE_FIELD_NUMBER: _ClassVar[int]
        REMAINING_NS_FIELD_NUMBER: _ClassVar[int]
        stage: int
        remaining_ns: int
        def __init__(self, stage: _Optional[int] = ..., remaining_ns: _Optional[int] = ...) -> None: ...
    class Result(_message.Message):
        __slots__ = ("exit", "prediction", "compute_ns", "queue_ns", "slowdown", "held_ns")
        EXIT_FIELD_NUMBER: _ClassVar[int]
        PREDICTION_FIELD_NUMBER: _ClassVar[int]
        COMPUTE_NS_FIELD_NUMBER: _ClassVar[int]
        QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
        SLOWDOWN_FIELD_NUMBER: _ClassVar[int]
        HELD_NS_FIELD_NUMBER: _ClassVar[int]
        exit: str
        prediction: _common_pb2.Prediction
        compute_ns: int
        queue_ns: int
        slowdown: float
        held_ns: int
        def __init__(self, exit: _Optional[str] = ..., prediction: _Optional[_Union[_common_pb2.Prediction, _Mapping]] = ..., compute_ns: _Optional[int] = ..., queue_ns: _Optional[int] = ..., slowdown: _Optional[float] = ..., held_ns: _Optional[int] = ...) -> None: ...
    class Refused(_message.Message):
        __slots__ = ("reason", "code")
        REASON_FIELD_NUMBER: _ClassVar[int]
        CODE_FIELD_NUMBER: _ClassVar[int]
        reason: str
        code: str
        def __init__(self, reason: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...
    class Rejected(_message.Message):
        __slots__ = ("reason", "internal")
        REASON_FIELD_NUMBER: _ClassVar[int]
        INTERNAL_FIELD_NUMBER: _ClassVar[int]
        reason: str
        internal: bool
        def __init__(self, reason: _Optional[str] = ..., internal: _Optional[bool] = ...) -> None: ...
    class Stopped(_message.Message):
        __slots__ = ("reason", "compute_ns", "failed")
        REASON_FIELD_NUMBER: _ClassVar[int]
        COMPUTE_NS_FIELD_NUMBER: _ClassVar[int]
        FAILED_FIELD_NUMBER: _ClassVar[int]
        reason: str
        compute_ns: int
        failed: bool
        def __init__(self, reason: _Optional[str] = ..., compute_ns: _Optional[int] = ..., failed: _Optional[bool] = ...) -> None: ...
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[SessionReply.TaskMessage]
    credits: int
    load: SessionReply.Load
    def __init__(self, messages: _Optional[_Iterable[_Union[SessionReply.TaskMessage, _Mapping]]] = ..., credits: _Optional[int] = ..., load: _Optional[_Union[SessionReply.Load, _Mapping]] = ...) -> None: ...

class GiveUpRequest(_message.Message):
    __slots__ = ("task_id", "edge_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EDGE_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    edge_id: str
    def __init__(self, task_id: _Optional[str] = ..., edge_id: _Optional[str] = ...) -> None: ...

class GiveUpReply(_message.Message):
    __slots__ = ("known",)
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    known: bool
    def __init__(self, known: _Optional[bool] = ...) -> None: ...

class ProbeRequest(_message.Message):
    __slots__ = ("edge_id", "last_rtt_ns", "padding", "reply_padding_bytes")
    EDGE_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_RTT_NS_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    REPLY_PADDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    edge_id: str
    last_rtt_ns: int
    padding: bytes
    reply_padding_bytes: int
    def __init__(self, edge_id: _Optional[str] = ..., last_rtt_ns: _Optional[int] = ..., padding: _Optional[bytes] = ..., reply_padding_bytes: _Optional[int] = ...) -> None: ...

class ProbeReply(_message.Message):
    __slots__ = ("queue_ns", "slowdown", "bundle_hash", "draining", "held_ns", "padding")
    QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
    SLOWDOWN_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_HASH_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    HELD_NS_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    queue_ns: int
    slowdown: float
    bundle_hash: str
    draining: bool
    held_ns: int
    padding: bytes
    def __init__(self, queue_ns: _Optional[int] = ..., slowdown: _Optional[float] = ..., bundle_hash: _Optional[str] = ..., draining: _Optional[bool] = ..., held_ns: _Optional[int] = ..., padding: _Optional[bytes] = ...) -> None: ...
