from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExitRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXIT_RULE_UNSPECIFIED: _ClassVar[ExitRule]
    EXIT_RULE_EARLIEST: _ClassVar[ExitRule]
    EXIT_RULE_PURSUE: _ClassVar[ExitRule]
    EXIT_RULE_ADAPTIVE: _ClassVar[ExitRule]
EXIT_RULE_UNSPECIFIED: ExitRule
EXIT_RULE_EARLIEST: ExitRule
EXIT_RULE_PURSUE: ExitRule
EXIT_RULE_ADAPTIVE: ExitRule

class Prediction(_message.Message):
    __slots__ = ("top", "entropy")
    class Label(_message.Message):
        __slots__ = ("index", "name", "probability")
        INDEX_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        index: int
        name: str
        probability: float
        def __init__(self, index: _Optional[int] = ..., name: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...
    TOP_FIELD_NUMBER: _ClassVar[int]
    ENTROPY_FIELD_NUMBER: _ClassVar[int]
    top: _containers.RepeatedCompositeFieldContainer[Prediction.Label]
    entropy: float
    def __init__(self, top: _Optional[_Iterable[_Union[Prediction.Label, _Mapping]]] = ..., entropy: _Optional[float] = ...) -> None: ...
