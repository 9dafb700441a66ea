"""A file beside a student's notebook: what its functions use must go with them."""

import threading

DIM = 2
LOCK = threading.Lock()  # the module as a whole cannot be copied


def wide(features, index):
    return index[:, None].expand(-1, features.shape[1], -1)


def pick(features, index):
    return features.gather(DIM, wide(features, index))
