"""Pictures of what chapter 2's exercises want."""

import torch

from gather3d.figures import reads, tensors, writes
from gather3d.figures.svg import Diagram

from ..scatter import invert as invert_permutation
from ..scatter import second_highest as second


def to_dense() -> Diagram:
    values, index = torch.tensor([1, 2, 3, 4, 5]), torch.tensor([3, 0, 3, -1, 5])
    return writes(
        values,
        index,
        size=6,
        reduce="sum",
        names=("values", "index", "result"),
        caption="One channel of one cloud. Those that meet are added (×2), what has the index −1 "
        "goes nowhere, and a slot that nothing reaches is 0.",
        alt=f"Values {values.tolist()} are sent to the slots {index.tolist()} of 6. Slot 3 gets "
        "two of them, slots 1, 2 and 4 none.",
    )


def mean() -> Diagram:
    values, index = torch.tensor([2.0, 6, 5, 4, 7]), torch.tensor([0, 2, 2, 2, -1])
    return writes(
        values,
        index,
        size=4,
        reduce="mean",
        names=("values", "index", "result"),
        caption="Slot 2 is the mean of the three that meet in it, slot 0 the mean of one. The 7 is "
        "missing, and counts nowhere. A slot that nothing reaches is 0.",
        alt=f"Values {values.tolist()} are sent to the slots {index.tolist()} of 4. Slot 2 gets "
        "three, slot 0 one, slots 1 and 3 none.",
    )


def invert() -> Diagram:
    p = torch.tensor([2, 0, 3, 4, 1])
    inverse = invert_permutation.right(p[None])[0]
    return reads(
        p,
        inverse,
        names=("p", "the result", "p, gathered"),
        caption="The result is the index with which p, gathered, gives 0, 1, 2, …: it says where "
        "each number stands in p.",
        alt=f"p is {p.tolist()}, the result {inverse.tolist()}, and p gathered with it "
        f"{p.gather(0, inverse).tolist()}.",
    )


def backward() -> Diagram:
    grad_out = torch.tensor([[1, 2, 3, 4]])
    index = torch.tensor([[2, 2, 0, 2]])
    return writes(
        grad_out,
        index,
        1,
        input=torch.zeros(2, 3, dtype=torch.int64),
        reduce="sum",
        names=("grad_out", "index", "result"),
        caption="Forward, out[0, 0] was read from input[0, 2]; so its gradient belongs there. "
        "Element [0, 2] was read three times and gets three gradients, added. Row 1 was never "
        "read: the index has one row.",
        alt=f"Gradients {grad_out.tolist()} with the index {index.tolist()} along dimension 1 go "
        "to an input of 2 by 3. Element [0, 2] gets 1, 2 and 4, element [0, 0] gets 3, all others "
        "nothing.",
    )


def second_highest() -> Diagram:
    z = torch.tensor([5.0, 1.0, 3.0, 5.0, 2.0, 4.0])
    flat = torch.tensor([0, 2, 2, 0, 1, 2])
    result = second.right(z, flat, 4)
    named = {"z": z.long(), "flat": flat, "result": result}
    return tensors(
        named,
        mark={"z": [2, 3], "flat": [2, 3], "result": [0, 2]},
        roles={"z": "source", "flat": "index", "result": "result"},
        caption="In cell 2 meet 1, 3 and 4: the second highest is 3. In cell 0 two are equally "
        "high. Cell 1 has one value and cell 3 none: −∞.",
        alt=f"Heights {z.tolist()} in the cells {flat.tolist()} of 4; the result is "
        f"{result.tolist()}.",
    )


def same_bits() -> Diagram:
    values = torch.tensor([1e8, 1.0, -1e8, 1.0])
    order = torch.tensor([0, 2, 1, 3])
    sums = [in_turn(v) for v in (values, values[order])]
    named = {
        "one order": values.long(),
        "its float32 sum": sums[0].long(),
        "another order": values[order].long(),
        "its float32 sum ": sums[1].long(),
        "whole numbers, either order": values.long().sum()[None],
    }
    roles = ("source", "wrong", "source", "result", "result")
    return tensors(
        named,
        roles=dict(zip(named, roles, strict=True)),
        caption="Four values in two orders. Float32 adds them to two different sums, because 1e8 + "
        "1 is rounded. Your map must not notice the order: the same bits, whoever comes first.",
        alt=f"The values {values.tolist()} have the sum {sums[0].tolist()}, in another order "
        f"{sums[1].tolist()}, and in whole numbers {values.long().sum()}.",
    )


def in_turn(values: torch.Tensor) -> torch.Tensor:
    """Their sum [1], added one after another."""
    total = values[:1] * 0
    for value in values:
        total = total + value
    return total


PICTURES = {
    "scatter.to_dense": to_dense,
    "scatter.mean": mean,
    "scatter.invert": invert,
    "scatter.backward": backward,
    "scatter.second_highest": second_highest,
    "scatter.same_bits": same_bits,
}
