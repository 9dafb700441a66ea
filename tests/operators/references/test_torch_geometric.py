"""Scatter and pooling against PyTorch Geometric's own, which is torch_scatter's in plain torch."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gather3d

from ..inputs import SEEDS, close, distinct, values
from .referee import referee

utils = referee("torch-geometric", "torch_geometric.utils")
REDUCES = {"sum": "sum", "mean": "mean", "amax": "max", "amin": "min"}


@given(
    SEEDS,
    st.sampled_from(list(REDUCES)),
    st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(1, 12)),
)
def test_scatter_and_its_gradient(seed, reduce, sizes):
    C, S, slots = sizes
    index = torch.randint(slots, (S,), generator=torch.Generator().manual_seed(seed))
    x = values(seed, (1, C, S)).requires_grad_()
    ours = gather3d.scatter_points(x, index[None], slots, reduce)
    theirs = utils.scatter(x, index, dim=2, dim_size=slots, reduce=REDUCES[reduce])
    close(ours, theirs)
    weights = values(seed + 1, ours.shape)
    close(*(torch.autograd.grad(out, x, weights)[0] for out in (ours, theirs)))


@given(SEEDS, st.sampled_from(list(REDUCES)))
@settings(max_examples=30)
def test_pool(seed, reduce):
    points, features = values(seed, (50, 3)), values(seed + 1, (50, 4))
    voxels = gather3d.voxelize(points, 1.0)
    theirs = utils.scatter(features, voxels.inverse, dim=0, reduce=REDUCES[reduce])
    close(gather3d.pool(features, voxels, reduce), theirs)


@given(SEEDS, st.integers(1, 40), st.integers(1, 12))
def test_argmax(seed, S, slots):
    """Theirs leaves open what a slot that nothing reaches has, and which of equals it names."""
    scatter_argmax = referee("torch-geometric", "torch_geometric.utils._scatter").scatter_argmax
    index = torch.randint(slots, (S,), generator=torch.Generator().manual_seed(seed))
    x = distinct(seed, (1, 1, S))
    ours = gather3d.scatter_argmax(x, index[None], slots)[0, 0]
    theirs = scatter_argmax(x[0, 0], index, dim_size=slots)
    reached = index.unique()
    close(ours[reached], theirs[reached])
    assert (ours >= 0).sum() == len(reached)
