"""Queries of a log store on the wire: the requests of `EdgeAgent.Logs`."""

from __future__ import annotations

from mc_proto.serde.fields import BadField, check_choice
from mc_proto.v1 import edge_pb2

from mc_sched.errors import UserError
from mc_sched.obs.store.query import LATEST_NS, OPERATORS, Query, condition


def query_to_wire(query: Query, limit: int, follow: bool) -> edge_pb2.LogsRequest:
    """Return a query as a request."""
    terms = [
        edge_pb2.LogsRequest.Term(field=t.field, operator=t.operator, value=t.value)
        for t in query.terms
    ]
    return edge_pb2.LogsRequest(
        terms=terms, words=query.words, since_ns=query.since_ns, limit=limit, follow=follow
    )


def query_from_wire(message: edge_pb2.LogsRequest) -> Query:
    """Return a request as a query; BadField if a condition is not valid."""
    for term in message.terms:
        check_choice("terms.operator", term.operator or "none", OPERATORS)
    try:
        terms = tuple(condition(t.field, t.operator, t.value) for t in message.terms)
        return Query(min(message.since_ns, LATEST_NS), terms=terms, words=tuple(message.words))
    except UserError as error:
        raise BadField("terms", str(error)) from None
