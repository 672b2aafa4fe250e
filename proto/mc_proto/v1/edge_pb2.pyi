from mc_proto.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Task(_message.Message):
    __slots__ = ("task_id", "stream_id", "image", "deadline_ns", "accuracy", "mode", "policy", "privacy", "traceparent", "sent_ns", "return_ns")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_NS_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    SENT_NS_FIELD_NUMBER: _ClassVar[int]
    RETURN_NS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    stream_id: str
    image: bytes
    deadline_ns: int
    accuracy: float
    mode: str
    policy: str
    privacy: str
    traceparent: str
    sent_ns: int
    return_ns: int
    def __init__(self, task_id: _Optional[str] = ..., stream_id: _Optional[str] = ..., image: _Optional[bytes] = ..., deadline_ns: _Optional[int] = ..., accuracy: _Optional[float] = ..., mode: _Optional[str] = ..., policy: _Optional[str] = ..., privacy: _Optional[str] = ..., traceparent: _Optional[str] = ..., sent_ns: _Optional[int] = ..., return_ns: _Optional[int] = ...) -> None: ...

class StreamReply(_message.Message):
    __slots__ = ("outcomes", "credits")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    credits: int
    def __init__(self, outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ..., credits: _Optional[int] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("task_id", "stream_id", "kind", "latency_ns", "site", "exit", "prediction", "expected_accuracy", "required_accuracy", "gave_up", "reason", "energy", "bytes_up", "cloud_ns", "predicted_ns", "error", "codec", "refusal", "total")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LATENCY_NS_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    GAVE_UP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    BYTES_UP_FIELD_NUMBER: _ClassVar[int]
    CLOUD_NS_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_NS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    stream_id: str
    kind: str
    latency_ns: int
    site: str
    exit: str
    prediction: _common_pb2.Prediction
    expected_accuracy: float
    required_accuracy: float
    gave_up: bool
    reason: str
    energy: Energy
    bytes_up: int
    cloud_ns: int
    predicted_ns: int
    error: str
    codec: str
    refusal: str
    total: Score
    def __init__(self, task_id: _Optional[str] = ..., stream_id: _Optional[str] = ..., kind: _Optional[str] = ..., latency_ns: _Optional[int] = ..., site: _Optional[str] = ..., exit: _Optional[str] = ..., prediction: _Optional[_Union[_common_pb2.Prediction, _Mapping]] = ..., expected_accuracy: _Optional[float] = ..., required_accuracy: _Optional[float] = ..., gave_up: _Optional[bool] = ..., reason: _Optional[str] = ..., energy: _Optional[_Union[Energy, _Mapping]] = ..., bytes_up: _Optional[int] = ..., cloud_ns: _Optional[int] = ..., predicted_ns: _Optional[int] = ..., error: _Optional[str] = ..., codec: _Optional[str] = ..., refusal: _Optional[str] = ..., total: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("predictor", "mean_ns", "upper_ns", "actual_ns")
    PREDICTOR_FIELD_NUMBER: _ClassVar[int]
    MEAN_NS_FIELD_NUMBER: _ClassVar[int]
    UPPER_NS_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_NS_FIELD_NUMBER: _ClassVar[int]
    predictor: str
    mean_ns: int
    upper_ns: int
    actual_ns: int
    def __init__(self, predictor: _Optional[str] = ..., mean_ns: _Optional[int] = ..., upper_ns: _Optional[int] = ..., actual_ns: _Optional[int] = ...) -> None: ...

class Reliability(_message.Message):
    __slots__ = ("n", "coverage", "mape", "p95_under")
    N_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    MAPE_FIELD_NUMBER: _ClassVar[int]
    P95_UNDER_FIELD_NUMBER: _ClassVar[int]
    n: int
    coverage: float
    mape: float
    p95_under: float
    def __init__(self, n: _Optional[int] = ..., coverage: _Optional[float] = ..., mape: _Optional[float] = ..., p95_under: _Optional[float] = ...) -> None: ...

class Energy(_message.Message):
    __slots__ = ("compute_j", "encode_j", "radio_up_j", "radio_down_j", "radio_tail_j", "source")
    COMPUTE_J_FIELD_NUMBER: _ClassVar[int]
    ENCODE_J_FIELD_NUMBER: _ClassVar[int]
    RADIO_UP_J_FIELD_NUMBER: _ClassVar[int]
    RADIO_DOWN_J_FIELD_NUMBER: _ClassVar[int]
    RADIO_TAIL_J_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    compute_j: float
    encode_j: float
    radio_up_j: float
    radio_down_j: float
    radio_tail_j: float
    source: str
    def __init__(self, compute_j: _Optional[float] = ..., encode_j: _Optional[float] = ..., radio_up_j: _Optional[float] = ..., radio_down_j: _Optional[float] = ..., radio_tail_j: _Optional[float] = ..., source: _Optional[str] = ...) -> None: ...

class FeedbackRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("version", "bundle", "bundle_hash", "cloud", "cloud_detail", "mode", "policy", "basic_accuracy", "draining", "tasks_open", "outcomes", "sites", "gave_up", "uplink_bps", "downlink_bps", "rtt_ns", "local_predicted_ns", "local_residual_ns", "local_busy", "energy_j", "energy_source", "idle_w", "uptime_ns", "log_dropped", "labels", "busy_by_others", "local_residual_ops_ns", "predictors", "compute_w", "power_w", "energy_measured_j", "energy_modelled_j", "energy_idle_j", "energy_tail_j", "e3_per_j", "e3_with_tail_per_j", "energy_probes_j", "certificate_expires_s", "credits", "in_flight")
    class OutcomesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class SitesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class PredictorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Reliability
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Reliability, _Mapping]] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_HASH_FIELD_NUMBER: _ClassVar[int]
    CLOUD_FIELD_NUMBER: _ClassVar[int]
    CLOUD_DETAIL_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    BASIC_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    TASKS_OPEN_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    GAVE_UP_FIELD_NUMBER: _ClassVar[int]
    UPLINK_BPS_FIELD_NUMBER: _ClassVar[int]
    DOWNLINK_BPS_FIELD_NUMBER: _ClassVar[int]
    RTT_NS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PREDICTED_NS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_RESIDUAL_NS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_BUSY_FIELD_NUMBER: _ClassVar[int]
    ENERGY_J_FIELD_NUMBER: _ClassVar[int]
    ENERGY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    IDLE_W_FIELD_NUMBER: _ClassVar[int]
    UPTIME_NS_FIELD_NUMBER: _ClassVar[int]
    LOG_DROPPED_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    BUSY_BY_OTHERS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_RESIDUAL_OPS_NS_FIELD_NUMBER: _ClassVar[int]
    PREDICTORS_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_W_FIELD_NUMBER: _ClassVar[int]
    POWER_W_FIELD_NUMBER: _ClassVar[int]
    ENERGY_MEASURED_J_FIELD_NUMBER: _ClassVar[int]
    ENERGY_MODELLED_J_FIELD_NUMBER: _ClassVar[int]
    ENERGY_IDLE_J_FIELD_NUMBER: _ClassVar[int]
    ENERGY_TAIL_J_FIELD_NUMBER: _ClassVar[int]
    E3_PER_J_FIELD_NUMBER: _ClassVar[int]
    E3_WITH_TAIL_PER_J_FIELD_NUMBER: _ClassVar[int]
    ENERGY_PROBES_J_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    version: str
    bundle: str
    bundle_hash: str
    cloud: str
    cloud_detail: str
    mode: str
    policy: str
    basic_accuracy: float
    draining: bool
    tasks_open: int
    outcomes: _containers.ScalarMap[str, int]
    sites: _containers.ScalarMap[str, int]
    gave_up: int
    uplink_bps: float
    downlink_bps: float
    rtt_ns: int
    local_predicted_ns: int
    local_residual_ns: int
    local_busy: bool
    energy_j: float
    energy_source: str
    idle_w: float
    uptime_ns: int
    log_dropped: int
    labels: _containers.RepeatedScalarFieldContainer[str]
    busy_by_others: float
    local_residual_ops_ns: int
    predictors: _containers.MessageMap[str, Reliability]
    compute_w: float
    power_w: float
    energy_measured_j: float
    energy_modelled_j: float
    energy_idle_j: float
    energy_tail_j: float
    e3_per_j: float
    e3_with_tail_per_j: float
    energy_probes_j: float
    certificate_expires_s: int
    credits: int
    in_flight: int
    def __init__(self, version: _Optional[str] = ..., bundle: _Optional[str] = ..., bundle_hash: _Optional[str] = ..., cloud: _Optional[str] = ..., cloud_detail: _Optional[str] = ..., mode: _Optional[str] = ..., policy: _Optional[str] = ..., basic_accuracy: _Optional[float] = ..., draining: _Optional[bool] = ..., tasks_open: _Optional[int] = ..., outcomes: _Optional[_Mapping[str, int]] = ..., sites: _Optional[_Mapping[str, int]] = ..., gave_up: _Optional[int] = ..., uplink_bps: _Optional[float] = ..., downlink_bps: _Optional[float] = ..., rtt_ns: _Optional[int] = ..., local_predicted_ns: _Optional[int] = ..., local_residual_ns: _Optional[int] = ..., local_busy: _Optional[bool] = ..., energy_j: _Optional[float] = ..., energy_source: _Optional[str] = ..., idle_w: _Optional[float] = ..., uptime_ns: _Optional[int] = ..., log_dropped: _Optional[int] = ..., labels: _Optional[_Iterable[str]] = ..., busy_by_others: _Optional[float] = ..., local_residual_ops_ns: _Optional[int] = ..., predictors: _Optional[_Mapping[str, Reliability]] = ..., compute_w: _Optional[float] = ..., power_w: _Optional[float] = ..., energy_measured_j: _Optional[float] = ..., energy_modelled_j: _Optional[float] = ..., energy_idle_j: _Optional[float] = ..., energy_tail_j: _Optional[float] = ..., e3_per_j: _Optional[float] = ..., e3_with_tail_per_j: _Optional[float] = ..., energy_probes_j: _Optional[float] = ..., certificate_expires_s: _Optional[int] = ..., credits: _Optional[int] = ..., in_flight: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("terms", "words", "since_ns", "limit", "follow")
    class Term(_message.Message):
        __slots__ = ("field", "operator", "value")
        FIELD_FIELD_NUMBER: _ClassVar[int]
        OPERATOR_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        field: str
        operator: str
        value: str
        def __init__(self, field: _Optional[str] = ..., operator: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TERMS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SINCE_NS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    terms: _containers.RepeatedCompositeFieldContainer[LogsRequest.Term]
    words: _containers.RepeatedScalarFieldContainer[str]
    since_ns: int
    limit: int
    follow: bool
    def __init__(self, terms: _Optional[_Iterable[_Union[LogsRequest.Term, _Mapping]]] = ..., words: _Optional[_Iterable[str]] = ..., since_ns: _Optional[int] = ..., limit: _Optional[int] = ..., follow: _Optional[bool] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("json",)
    JSON_FIELD_NUMBER: _ClassVar[int]
    json: str
    def __init__(self, json: _Optional[str] = ...) -> None: ...
