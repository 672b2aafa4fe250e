import torch
from mc_models.inference.batches import Row, join


def rows_of(batch):
    return [Row(batch, index) for index in range(len(batch))]


def test_a_complete_batch_is_not_copied():
    batch = torch.arange(6.0).reshape(3, 2)
    assert join(rows_of(batch)) is batch


def test_rows_of_several_batches_come_in_the_order_asked():
    first, second = rows_of(torch.tensor([[1.0], [2.0]])), rows_of(torch.tensor([[3.0], [4.0]]))
    assert join([second[1], first[0]]).tolist() == [[4], [1]]
    assert join([first[1]]).tolist() == [[2]]
    assert join([first[1], first[0]]).tolist() == [[2], [1]]
    assert join([first[0], first[0]]).tolist() == [[1], [1]]


def test_the_first_row_sets_the_precision():
    joined = join([Row(torch.ones(1, 2, dtype=torch.bfloat16), 0), Row(torch.zeros(1, 2), 0)])
    assert (joined.dtype, joined.tolist()) == (torch.bfloat16, [[1, 1], [0, 0]])


def test_the_layout_of_images_is_kept():
    images = [torch.rand(1, 3, 8, 8).contiguous(memory_format=torch.channels_last)] * 2
    joined = join([Row(image, 0) for image in images])
    assert joined.is_contiguous(memory_format=torch.channels_last)
