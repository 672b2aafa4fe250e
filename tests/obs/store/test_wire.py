"""Queries of the log store arrive over the wire unchanged; invalid conditions are named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mc_proto.serde import BadField
from mc_proto.v1 import edge_pb2

from mc_sched.obs.store.query import OPERATORS, ORDERED, Query, Term
from mc_sched.obs.store.wire import query_from_wire, query_to_wire


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.text(min_size=1, max_size=12), st.sampled_from(OPERATORS), st.text(), st.integers(),
    st.integers(0, 2**32 - 1), st.booleans(),
)  # fmt: skip
def test_a_query_arrives_unchanged(word, operator, text, number, since_ns, follow):
    value = str(number) if operator in ORDERED else text
    query = Query(since_ns, terms=(Term("outcome.reason", operator, value),), words=(word,))
    request = query_to_wire(query, 7, follow)
    message = type(request).FromString(request.SerializeToString())
    assert query_from_wire(message) == query
    assert (message.limit, message.follow) == (7, follow)


@pytest.mark.parametrize(
    "term", [("a b", "="), ("a", "=="), ("", "="), ("a", ""), ('x"', "="), ("a", ">")]
)
def test_an_invalid_condition_is_named(term):
    message = edge_pb2.LogsRequest(
        terms=[edge_pb2.LogsRequest.Term(field=term[0], operator=term[1])]
    )
    with pytest.raises(BadField, match="terms"):
        query_from_wire(message)
