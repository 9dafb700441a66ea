"""Generated inputs. Shapes and indices are drawn, so that a failure shrinks to a small one; values
come from a drawn seed."""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(0, 4)
FLOATS = st.sampled_from([torch.float32, torch.float64])
INTS = st.sampled_from([torch.int64, torch.int32])
LAYOUTS = st.sampled_from(["contiguous", "transposed", "strided"])
REDUCES = ["sum", "mean", "amax", "amin"]


def values(seed: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype)


def whole(seed: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    """Small whole numbers: sums of them are exact, and many are equal."""
    return torch.from_numpy(np.random.default_rng(seed).integers(-4, 5, shape)).to(dtype)


def distinct(seed: int, shape: tuple[int, ...]) -> Tensor:
    """No two numbers closer than 1 / 4, so that a maximum has a gradient."""
    count = int(np.prod(shape))
    order = np.random.default_rng(seed).permutation(count) - count / 2
    return torch.from_numpy(order.reshape(shape) / 4)


def indices(shape: tuple[int, ...], low: int, high: int) -> st.SearchStrategy[Tensor]:
    """Whole numbers low … high - 1, repeated ones among them."""
    return hnp.arrays(np.int64, shape, elements=st.integers(low, high - 1)).map(torch.from_numpy)


def place(tensor: Tensor, device: str, layout: str = "contiguous") -> Tensor:
    """The same values on a device, and not always one after another in its memory."""
    tensor = tensor.to(device)
    if layout == "transposed":
        backwards = tuple(reversed(range(tensor.ndim)))
        return tensor.permute(backwards).contiguous().permute(backwards)
    if layout == "strided" and tensor.ndim:
        wide = tensor.new_full((*tensor.shape[:-1], 2 * tensor.shape[-1]), 99)
        wide[..., ::2] = tensor
        return wide[..., ::2]
    return tensor


def close(got: Tensor, wanted: np.ndarray | Tensor, **tolerance: float) -> None:
    """Equal in shape, and in value as far as the dtype of `got` goes."""
    wanted = torch.as_tensor(wanted).to(got.device, got.dtype)
    torch.testing.assert_close(got, wanted, **tolerance)
