"""Farthest point sampling against fpsample: the same points, one by one."""

import torch
from hypothesis import given
from hypothesis import strategies as st

import gather3d
from gather3d.datasets import load

from ..inputs import SEEDS, close, values
from .referee import referee

fpsample = referee("fpsample", "fpsample")


@given(SEEDS, st.integers(2, 300), st.data())
def test_random_points(seed, count, data):
    m, start = data.draw(st.integers(1, count)), data.draw(st.integers(0, count - 1))
    points = values(seed, (count, 3), torch.float32)
    theirs = fpsample.fps_sampling(points.numpy(), m, start_idx=start)
    close(gather3d.farthest_point_sample(points[None], m, start)[0], theirs.astype("int64"))


def test_the_street(device):
    points = load("street").points[::7]
    points = points + 1e-3 * values(0, points.shape, torch.float32)  # on whole millimetres they tie
    theirs = fpsample.fps_sampling(points.numpy(), 300, start_idx=5)
    ours = gather3d.farthest_point_sample(points[None].to(device), 300, start=5)
    close(ours[0], theirs.astype("int64"))
