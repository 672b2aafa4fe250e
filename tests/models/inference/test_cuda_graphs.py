"""The choice and the padding of recorded batch sizes, with graphs that compute on the CPU."""

import pytest
import torch
from mc_models.inference import cuda_graphs
from mc_models.inference.cuda_graphs import GraphedPiece

X = torch.ones(1, 2)


class FakeGraph:
    """A graph that computes its recorded number of rows, as replaying kernels does."""

    most_rows = 99

    def __init__(self, piece, x, pool):
        if len(x) > self.most_rows:
            raise torch.OutOfMemoryError("no memory")
        self.piece, self.x, self.replayed = piece, x.clone(), 0

    def run(self, x):
        self.x[: len(x)].copy_(x)
        self.replayed += 1
        return self.piece(self.x)[: len(x)].clone()


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(cuda_graphs, "RecordedGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)


class Piece:
    """Doubles its input and notes the number of rows of every run."""

    def __init__(self):
        self.rows = []

    def __call__(self, x):
        self.rows.append(len(x))
        return x * 2


@pytest.mark.parametrize(("rows", "computed"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 5)])
def test_a_batch_is_padded_up_to_the_next_recorded_size(rows, computed):
    piece = Piece()
    x = torch.arange(2.0 * rows).reshape(rows, 2)
    assert torch.equal(GraphedPiece(piece, X, (1, 2, 4))(x), x * 2)
    assert piece.rows == [computed]


def test_answers_stay_apart_when_a_graph_is_replayed():
    graphed = GraphedPiece(Piece(), X, (1, 4))
    first = graphed(torch.full((3, 2), 1.0))
    graphed(torch.full((4, 2), 7.0))
    assert first.tolist() == [[2, 2]] * 3


def test_sizes_that_do_not_fit_into_memory_run_without_a_graph(monkeypatch):
    monkeypatch.setattr(FakeGraph, "most_rows", 2)
    piece = Piece()
    graphed = GraphedPiece(piece, X, (1, 2, 4, 8))
    graphed(torch.ones(2, 2)), graphed(torch.ones(3, 2))
    assert [size for size, _ in graphed._graphs] == [1, 2]
    assert piece.rows == [2, 3]


def test_rows_of_another_shape_run_without_a_graph():
    piece = Piece()
    graphed = GraphedPiece(piece, X, (1, 2))
    graphed(torch.ones(1, 5))
    assert all(graph.replayed == 0 for _, graph in graphed._graphs)
    assert piece.rows == [1]
