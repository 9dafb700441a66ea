"""`sources`: the matrix against autograd's Jacobian, counts by hand and by brute force, and words
that are read back: `claims` looks up in the matrix what every clause says of it."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.fft
import scipy.sparse
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.func import jacrev

import gather3d
from gather3d.sources import linear

from .claims import Claims
from .inputs import SEEDS, close, indices, values, whole

T = torch.tensor
NAMES = ("cloud", "channel", "point")
PICK = T([[5, 0, 2, 2], [1, 4, 4, 3]])
GRID = values(7, (1, 1, 1, 40, 3)).clamp(-1.1, 1.1)
KERNEL = values(8, (1, 1, 3, 3, 3))
EXACT = linear.Rounding.of(torch.float64)

# --- the matrix of many inputs -------------------------------------------------------------------

LARGE = {
    "grid_sample": lambda x: F.grid_sample(x, GRID, align_corners=False),
    "conv": lambda x: F.conv3d(x, KERNEL, padding=1),
    "pool": lambda x: F.avg_pool3d(x, 3, 2, 1),
    "interpolate": lambda x: F.interpolate(x, scale_factor=1.5, mode="trilinear"),
    "difference": lambda x: x.diff(dim=2) - 2 * x[:, :, 1:].flip(3),
    "twice": lambda x: 2 * x.flip(2),
    "sum": lambda x: x.sum((3, 4)),
    "float32": lambda x: F.avg_pool3d(x.float(), 2),
    "only float32": lambda x: F.conv3d(x, KERNEL.float()),
    "nothing": lambda x: x * 0,
}


@pytest.mark.parametrize("name", LARGE)
def test_the_matrix_of_many_inputs_is_the_jacobian(name):
    shape = (1, 1, 9, 8, 10)
    found = gather3d.sources(LARGE[name], shape)
    dtype = torch.float32 if name == "only float32" else torch.float64
    wanted = jacrev(LARGE[name])(torch.zeros(shape, dtype=dtype))
    assert found.output_shape == tuple(wanted.shape[:-5])
    close(found.matrix.to_dense(), wanted.reshape(-1, 720), rtol=1e-5, atol=1e-6)
    if "32" not in name:
        assert found.matrix._nnz() == int((wanted.abs() > 1e-11).sum())


@pytest.mark.parametrize("name", ["grid_sample", "conv", "difference", "nothing"])
def test_few_questions_are_enough_where_outputs_read_few_inputs(name, monkeypatch):
    monkeypatch.delattr(linear, "_by_columns")
    monkeypatch.setattr(linear, "_by_columns", None, raising=False)
    calls = []
    gather3d.sources(lambda x: calls.append(1) or LARGE[name](x), (1, 1, 16, 16, 16))
    assert len(calls) < 1500 < 16**3


@given(SEEDS, st.integers(1, 30), st.integers(0, 6))
def test_groups_find_what_columns_find(seed, outputs, reads):
    random = np.random.default_rng(seed)
    dense = torch.zeros(outputs, 600, dtype=torch.float64)
    for row in dense:
        row[torch.from_numpy(random.choice(600, reads, replace=False))] = values(seed, (reads,))
    found = linear._by_groups(lambda x: dense @ x, 600, EXACT)
    close(found.to_dense(), dense, atol=1e-9, rtol=1e-9)
    close(linear._by_columns(lambda x: dense @ x, 600, EXACT).to_dense(), dense)


def test_rounding_errors_are_no_weights():
    matrix = gather3d.sources(
        lambda x: 2 * x + 0.3 * x.flip(0) - (0.1 + 0.2) * x.flip(0), [3]
    ).matrix
    assert matrix._nnz() == 3


def test_too_many_weights_are_refused(monkeypatch):
    monkeypatch.setattr(linear, "MOST", 1000)
    with pytest.raises(ValueError, match=r"^fn: got more than 1,000 weights, wanted fewer"):
        gather3d.sources(lambda x: x.cumsum(0), [100])


def test_a_volume_is_found_in_little_memory():
    """Dense, this matrix would have 8 GB: that it is found at all says that nothing is dense."""
    found = gather3d.sources(LARGE["conv"], (1, 1, 32, 32, 32))
    assert found.matrix._nnz() == (30 * 3 + 2 * 2) ** 3


@pytest.mark.parametrize("count", [10, 600])
@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x.clamp(-1, 1),
        lambda x: F.max_pool1d(x[None], 3)[0],
        lambda x: x / x.norm().clamp(min=1),
        lambda x: F.dropout(x, 0.5),
        lambda x: x[x > 0],
        lambda x: torch.where(x > 1e4, x, 2 * x) + x.relu(),
    ],
    ids=["clamp", "max_pool", "normalise", "dropout", "mask", "relu"],
)
def test_what_is_not_linear_is_refused(fn, count):
    with pytest.raises(ValueError, match=r"^fn: got .*, wanted a linear function$"):
        gather3d.sources(fn, (count,))


# --- what fn computes in, and where ---------------------------------------------------------------

HALVES = (torch.bfloat16, torch.float16)
ORDER = torch.from_numpy(np.random.default_rng(5).permutation(5000))
MIX = values(9, (5, 7))


def under_autocast(fn, dtype):
    def cast(x):
        with torch.autocast("cpu", dtype):
            return fn(x)

    return cast


# on each line: the shape, fn in half, and what it does in float64
IN_HALF = {
    "flip": ((5,), lambda x, h: x.to(h).flip(0), lambda x: x.flip(0)),
    "cast and back": ((5,), lambda x, h: x.to(h).roll(1).double(), lambda x: x.roll(1)),
    "pick": ((40, 50), lambda x, h: x.to(h)[::3, [7, 7, 49]], lambda x: x[::3, [7, 7, 49]]),
    "minus twice": ((3000,), lambda x, h: -2 * x.to(h).flip(0), lambda x: -2 * x.flip(0)),
    "mean": ((4, 3), lambda x, h: x.to(h).mean(1), lambda x: x.mean(1)),
    "many": ((600,), lambda x, h: x.to(h).reshape(-1, 2).sum(1), lambda x: x.reshape(-1, 2).sum(1)),
    "product": ((7,), lambda x, h: MIX.to(h) @ x, lambda x: MIX @ x),
    "product of casts": ((7,), lambda x, h: (MIX.to(h) @ x.to(h)).float(), lambda x: MIX @ x),
    "autocast": (
        (7, 2),
        lambda x, h: under_autocast(lambda y: MIX.float() @ y.float(), h)(x),
        lambda x: MIX @ x,
    ),
    "autocast and back": (
        (7, 2),
        lambda x, h: under_autocast(lambda y: (MIX.float() @ y.float()).double(), h)(x),
        lambda x: MIX @ x,
    ),
    "convolution": (
        (1, 1, 4, 5, 6),
        lambda x, h: F.conv3d(x, KERNEL.to(h), padding=1),
        lambda x: F.conv3d(x, KERNEL, padding=1),
    ),
    "a thousand times": ((4,), lambda x, h: 1000 * x.to(h), lambda x: 1000 * x),
    "nearly the largest": ((4,), lambda x, h: 57_344 * x.to(h), lambda x: 57_344 * x),
}


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", IN_HALF)
def test_the_matrix_of_a_function_in_half_is_the_jacobian_to_its_digits(name, half):
    shape, fn, exact = IN_HALF[name]
    found = gather3d.sources(lambda x: fn(x, half), shape)
    wanted = jacrev(exact)(torch.zeros(shape, dtype=torch.float64))
    got, wanted = found.matrix.to_dense(), wanted.reshape(found.matrix.shape)
    step = torch.finfo(half).eps
    close(got, wanted, rtol=step, atol=0)
    assert found.precision == step / 2
    assert not found.differs(gather3d.sources(exact, shape)).any()
    assert found.describe() == gather3d.sources(exact, shape).describe()


@pytest.mark.parametrize("half", [*HALVES, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_a_permutation_is_found_in_any_dtype(half):
    """Named by scipy; its 5000 numbers are more than eight bits can tell apart."""
    calls = []
    fn = lambda x: calls.append(1) or x.to(half).float()[ORDER]  # noqa: E731
    matrix = gather3d.sources(fn, [5000]).matrix
    ones = np.ones(5000)
    wanted = scipy.sparse.coo_array((ones, (np.arange(5000), ORDER.numpy())), (5000, 5000))
    assert (
        scipy.sparse.coo_array((ones, matrix.indices().numpy()), (5000, 5000)) != wanted
    ).nnz == 0
    assert torch.equal(matrix.values(), torch.from_numpy(ones)) and len(calls) < 30


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", ["module", "float32 module"])
def test_autocast_around_the_call(name, half):
    layer = torch.nn.Linear(7, 5, bias=False)
    with torch.autocast("cpu", half):
        found = gather3d.sources(layer, (7,))
    close(found.matrix.to_dense(), layer.weight.detach(), rtol=torch.finfo(half).eps, atol=0)
    found = gather3d.sources(layer.to(half), (7,))  # without it, and in half altogether
    close(found.matrix.to_dense(), layer.weight.detach())


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize(
    "fn",
    [
        torch.relu,
        torch.square,
        lambda x: x.amax(0, keepdim=True),
        lambda x: x.clamp(max=50),
        lambda x: x.relu().mean(0),
        lambda x: x.new_zeros(1).index_add(0, T([0]).expand(len(x)), x.exp() - 1),
    ],
)
def test_what_is_not_linear_in_half_is_refused_by_the_name_of_its_dtype(fn, half):
    with pytest.raises(ValueError, match=rf"^fn: got .* {half}, in which it .*, wanted a linear"):
        gather3d.sources(lambda x: fn(x.to(half)), (30,))


def test_a_constant_in_half_does_not_make_a_function_coarse():
    weights = T([1.0, 1 + 2**-10]).half()
    found = gather3d.sources(lambda x: x * weights, (2,))
    assert found.describe().startswith("copies its input; each is multiplied by a weight;")
    assert torch.equal(found.matrix.to_dense().diagonal(), weights.double())


COMPLEX = {
    "fft": (torch.fft.fft, scipy.fft.fft),
    "rfft": (torch.fft.rfft, scipy.fft.rfft),
    "ifft, conjugated": (lambda x: torch.fft.ifft(x).conj(), lambda x: scipy.fft.ifft(x).conj()),
    "in complex64": (lambda x: torch.fft.fft(x.to(torch.complex64)), scipy.fft.fft),
    "times i": (lambda x: 1j * x, lambda x: 1j * x),
}


@pytest.mark.parametrize("count", [1, 4, 520])
@pytest.mark.parametrize("name", COMPLEX)
def test_a_complex_matrix_is_scipys(name, count):
    fn, referee = COMPLEX[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as torch's, that an imaginary part is dropped
        found = gather3d.sources(fn, (count,))
    assert found.matrix.dtype == torch.complex128
    wanted = np.stack([referee(column) for column in np.eye(count)], axis=1)
    close(found.matrix.to_dense(), wanted, rtol=1e-6, atol=1e-6)
    assert found.output_shape == wanted.shape[:1]


def test_complex_weights_in_words_and_numbers():
    turned = gather3d.sources(lambda x: 1j * x, [3])
    assert turned.describe() == (
        "copies its input; each is multiplied by 0+1i; every input is read once"
    )
    assert turned.counts().kind == "weights"
    same = gather3d.sources(lambda x: x.to(torch.complex128), [3])
    plain = gather3d.sources(lambda x: x, [3])
    assert same.counts().kind == "permutation" and same.describe() == plain.describe()
    assert not same.differs(plain).any() and turned.differs(plain).all()
    mixed = gather3d.sources(torch.fft.fft, [4]).describe()
    assert mixed.startswith("each output is the weighted sum over all 4 elements;")
    real = gather3d.sources(lambda x: torch.fft.ifft(torch.fft.fft(x) * 2).real, [4])
    assert real.matrix.dtype == torch.float64 and real.matrix._nnz() == 4


NO_NUMBERS = {
    "fn: got torch.int64 back, wanted floating-point numbers": lambda x: x.long(),
    "fn: got torch.bool back, wanted floating-point numbers": lambda x: x > 0,
    "fn: got ndarray back, wanted a tensor": lambda x: x.numpy(),
    "fn: got a tensor on meta back, wanted one with a shape and values": lambda x: x.to("meta"),
    "fn: got a nested tensor back, wanted one with a shape and values": (
        lambda x: torch.nested.nested_tensor([x])
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", NO_NUMBERS)
def test_a_result_without_numbers_is_refused(said):
    with pytest.raises(TypeError) as caught:
        gather3d.sources(NO_NUMBERS[said], (3,))
    assert str(caught.value) == said


def test_what_no_dtype_gets_through_is_said():
    with pytest.raises(
        TypeError, match=r"^fn: got an error from inputs in each of torch.float64, "
    ):
        gather3d.sources(lambda x: torch.eye(3, dtype=torch.complex64) @ x, (3,))
    with pytest.raises(IndexError, match=r"^index 7 is out of bounds"):  # in no dtype, so fn's own
        gather3d.sources(lambda x: x[T([7])], (3,))


BUFFER = torch.empty(600, dtype=torch.float64)


def in_inference_mode(x):
    with torch.inference_mode():
        return x + 2 * x.flip(0)


ODD = {
    "in place": lambda x: x.add_(2 * x.flip(0)),
    "always the same memory": lambda x: torch.add(x, 2 * x.flip(0), out=BUFFER),
    "sparse": lambda x: (x + 2 * x.flip(0)).to_sparse(),
    "sparse rows": lambda x: (x + 2 * x.flip(0))[None].to_sparse_csr(),
    "requires grad": lambda x: x + x.flip(0) * T(2.0, requires_grad=True),
    "inference mode": in_inference_mode,
    "seeded": lambda x: x + 2 * x.flip(0) * (torch.manual_seed(0) and torch.rand(1) > -1),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_however_fn_gives_its_result(name, mode):
    eye = torch.eye(600, dtype=torch.float64)
    with mode():
        close(gather3d.sources(ODD[name], (600,)).matrix.to_dense(), eye + 2 * eye.flip(0))


@pytest.mark.parametrize("dtype", [torch.float64, *HALVES])
@pytest.mark.parametrize("name", LARGE)
def test_default_dtypes_change_nothing(name, dtype):
    shape = (1, 1, 9, 8, 10)
    wanted = gather3d.sources(LARGE[name], shape)
    torch.set_default_dtype(dtype)
    try:
        found = gather3d.sources(LARGE[name], shape)
        said, counted = found.describe(), found.counts()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found.matrix.indices(), wanted.matrix.indices())
    assert torch.equal(found.matrix.values(), wanted.matrix.values())
    assert (said, counted) == (wanted.describe(), wanted.counts())


def all_that_sources_does(fn, shape):
    found = gather3d.sources(fn, shape)
    return found.describe(), found.counts(), found.reads().tolist(), found.differs(found).tolist()


def test_default_devices_change_nothing():
    """Meta stands for a GPU: what is not on the CPU by name lands there and has no values."""
    cases = [(fn, (4, 4)) for fn in [*SAID.values(), *NEARLY.values()]]
    cases += [(LARGE[name], (1, 1, 9, 8, 10)) for name in ("conv", "pool", "nothing")]
    cases += [(torch.fft.fft, (4,)), (IN_HALF["mean"][2], (4, 3)), (lambda x: x.half(), (600,))]
    cases += [(lambda x: x[torch.tensor([2, 0])] * torch.ones(2), (3,))]  # fn's own are beside x
    for fn, shape in cases:
        wanted, devices = all_that_sources_does(fn, shape), set()

        def seen(x, fn=fn, devices=devices):
            devices.add(x.device.type)
            return fn(x)

        with torch.device("meta"):
            assert all_that_sources_does(seen, shape) == wanted
        assert devices == {"cpu"}


@pytest.mark.parametrize(("count", "p"), [(1, 0.5), (5, 0.5), (50, 0.1)])
def test_randomness_is_named(count, p):
    with pytest.raises(ValueError, match=r"^fn: got two answers to one question, as from dropout"):
        gather3d.sources(lambda x: F.dropout(x, p), (count,))


SCALES = torch.logspace(-20, 20, 600, dtype=torch.float64)


@pytest.mark.parametrize("count", [3, 600])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_small_weights_beside_large_ones_are_weights(count, dtype):
    scale = SCALES[:: 600 // count]
    found = gather3d.sources(lambda x: (x + x.flip(0)).to(dtype) * scale.to(dtype), (count,))
    wanted = scale[:, None] * (torch.eye(count).double() + torch.eye(count).double().flip(0))
    close(found.matrix.to_dense(), wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [1e-20, 1e20])
def test_words_of_small_and_large_weights(size):
    one, three = (gather3d.sources(lambda x, w=w: w * size * x, (4,)) for w in (1, 3))
    assert "each is multiplied by 1e" in one.describe() and one.differs(three).all()
    both = gather3d.sources(lambda x: size * x * T([1.0, 1, 1, 3]), (4,))
    assert "each is multiplied by a weight" in both.describe()
    table = gather3d.sources(lambda x: size * (x[1:] + 2 * x[:-1]), (4,))
    assert "with the same weights everywhere" in table.describe()


def test_what_is_not_linear_is_refused_beside_large_weights():
    for odd in (torch.relu, lambda x: x * x.abs(), torch.sin):
        with pytest.raises(ValueError, match=r"^fn: got what no matrix gives"):
            gather3d.sources(lambda x, odd=odd: torch.cat([1e20 * x, odd(x)]), (6,))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, *HALVES])
def test_outputs_of_rounding_alone_read_nothing(dtype):
    def fn(x):
        x = x.to(dtype)
        return torch.cat([x, 0.3 * x - (0.1 * x + 0.2 * x)])

    found = gather3d.sources(fn, (8,))
    assert found.matrix.indices().tolist() == [list(range(8))] * 2


def test_a_first_call_loads_nothing():
    """The tools that could watch dtypes more closely load torch's compiler: seconds."""
    code = (
        "import sys, torch, gather3d; before = set(sys.modules); "
        "gather3d.sources(lambda x: x.half().double(), [4]); print(set(sys.modules) - before)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


# --- numbers -------------------------------------------------------------------------------------


def test_counts_by_hand():
    S = gather3d.sources(lambda x: gather3d.gather_points(x, T([[5, 0, 2, 2, -1]])), [1, 2, 20])
    counts = S.counts()
    assert counts == gather3d.indexing.Counts(
        kind="selection", reads=8, distinct=6, repeated=2, most=2, never=34, empty=2,
        asked_bytes=32, useful_bytes=24, lines=2, moved_bytes=128,
    )  # fmt: skip
    assert S.reads()[0, 0, :6].tolist() == [1, 0, 2, 0, 0, 1]
    half = S.counts(torch.float16)  # bytes 0 … 11 and 40 … 51: all in one line of 64
    assert (half.useful_bytes, half.lines, half.moved_bytes) == (12, 1, 64)
    assert S.counts(torch.float64, line=128).lines == 2


@given(st.data(), st.sampled_from([torch.float32, torch.float64, torch.int8]))
def test_counts_by_brute_force(data, dtype):
    size = data.draw(st.integers(1, 200))
    index = data.draw(indices((data.draw(st.integers(0, 30)),), 0, size))
    line = data.draw(st.sampled_from([8, 64, 128]))
    counts = gather3d.sources(lambda x: x[index], [size]).counts(dtype, line)
    array = np.zeros(size, str(dtype).removeprefix("torch."))
    addresses = [i * array.itemsize + byte for i in index for byte in range(array.itemsize)]
    addresses = np.array(addresses, dtype=int)
    assert counts.asked_bytes == len(addresses)
    assert counts.useful_bytes == len(set(addresses.tolist()))
    assert counts.lines == len(set((addresses // line).tolist()))
    assert counts.moved_bytes == counts.lines * line
    often = np.bincount(index, minlength=size)
    assert (counts.reads, counts.distinct) == (often.sum(), (often > 0).sum())
    assert (counts.repeated, counts.never) == ((often > 1).sum(), (often == 0).sum())
    assert (counts.most, counts.empty) == (often.max(), 0)


KINDS = {
    "permutation": [lambda x: x, lambda x: x.T, lambda x: x.roll(1)],
    "selection": [
        lambda x: x[0],
        lambda x: x.tril(),
        lambda x: x.repeat(2, 1),
        lambda x: x * T([1, 0, 1, 0]),
    ],
    "average": [
        lambda x: x.mean(0),
        lambda x: F.avg_pool2d(x[None], 2),
        lambda x: (x + x.flip(0)) / 2,
    ],
    "weights": [
        lambda x: 2 * x,
        lambda x: x.sum(0),
        lambda x: x.diff(dim=0),
        lambda x: 1.5 * x - x.flip(0) / 2,
    ],
    "nothing": [lambda x: x * 0, lambda x: x[:0]],
}


@pytest.mark.parametrize(("kind", "fn"), [(k, fn) for k, fns in KINDS.items() for fn in fns])
def test_kinds(kind, fn):
    assert gather3d.sources(fn, [4, 4]).counts().kind == kind


def test_which_outputs_differ():
    def meant(x):
        return x.gather(2, PICK[:, None].expand(-1, 3, -1))

    right = gather3d.sources(meant, [2, 3, 6])
    trap = gather3d.sources(lambda x: x.gather(2, PICK[:, None]), [2, 3, 6])
    assert not trap.differs(right).any() and trap.output_shape == (2, 1, 4)
    assert right.differs(trap).sum((0, 2)).tolist() == [0, 8, 8]  # channels 1, 2 are not there
    broadcast = gather3d.sources(
        lambda x: x.gather(2, PICK[:, None]).expand(-1, 3, -1), right.input_shape
    )
    assert broadcast.differs(right)[:, 1:].all() and not broadcast.differs(right)[:, 0].any()
    weighted = gather3d.sources(lambda x: meant(x) * T([1, 2, 1, 1]), [2, 3, 6])
    assert weighted.differs(right).sum((0, 1)).tolist() == [0, 6, 0, 0]
    flat = gather3d.sources(lambda x: meant(x).flatten(), [2, 3, 6])
    assert flat.differs(right).all()
    with pytest.raises(ValueError, match=r"^other: got input shape \[3\], wanted \[2, 3, 6\]"):
        right.differs(gather3d.sources(lambda x: x, [3]))


@given(st.data())
def test_differs_is_a_difference_of_rows(data):
    first, second = (data.draw(indices((2, 4), 0, 3)) for _ in range(2))
    one, other = (gather3d.sources(lambda x, i=i: x[i], [3]) for i in (first, second))
    assert torch.equal(one.differs(other), first != second)


def test_bad_arguments():
    S = gather3d.sources(lambda x: x, [2, 3])
    with pytest.raises(ValueError, match=r"^names: got \('a',\), wanted a word for each of"):
        S.describe(("a",))
    with pytest.raises(ValueError, match=r"^line: got 10, wanted a multiple of 4"):
        S.counts(line=10)


# --- words ---------------------------------------------------------------------------------------

SAID = {
    "reads column 0 of every row; 12 of 16 inputs are never read": lambda x: x[:, 0],
    "reads row 1; 12 of 16 inputs are never read": lambda x: x[1],
    "reads every third column of every row; 8 of 16 inputs are never read": lambda x: x[:, ::3],
    "reads every second row from 1; 8 of 16 inputs are never read": lambda x: x[1::2],
    "reads rows 1 to 2, column 3; 14 of 16 inputs are never read": lambda x: x[1:3, 3],
    "reads the columns in reverse order; a permutation: every input is read once": (
        lambda x: x.flip(1)
    ),
    "reads the rows rolled by 1; a permutation: every input is read once": lambda x: x.roll(1, 0),
    "reads the rows rolled by −1; a permutation: every input is read once": (
        lambda x: x.roll(-1, 0)
    ),
    "reads the inputs rolled by 2 in memory order; a permutation: every input is read once": (
        lambda x: x.roll(2)
    ),
    "reads every third input in memory order; 10 of 16 inputs are never read": (
        lambda x: x.flatten()[::3]
    ),
    "transposes rows and columns; a permutation: every input is read once": lambda x: x.T,
    "copies its input, in another shape; every input is read once": lambda x: x.reshape(2, 8),
    "copies its input; every input is read once": lambda x: x.clone(),
    "copies its input; every input is read once; 9 of 25 outputs read nothing": (
        lambda x: F.pad(x, (0, 1, 1, 0))
    ),
    "repeats its input; every input is read 3 times": lambda x: x[:, None].expand(4, 3, 4),
    "reads each row twice in a row; every input is read twice": (
        lambda x: x.repeat_interleave(2, 0)
    ),
    "reads the columns 3 times over; every input is read 3 times": lambda x: x.repeat(1, 3),
    "reads columns 3, 0 and 0 of every row; 8 of 16 inputs are never read; "
    "4 inputs are read twice": (
        lambda x: x[:, [3, 0, 0]]
    ),
    "reads columns chosen by an index in every row; 8 of 16 inputs are never read": (
        lambda x: x.gather(1, T([[0, 1], [1, 2], [2, 3], [3, 0]]))
    ),
    "reads the diagonal; 12 of 16 inputs are never read": lambda x: x.diagonal(),
    "keeps some inputs in their places; 6 of 16 inputs are never read; "
    "6 of 16 outputs read nothing": lambda x: x.tril(),
    "reads windows of 3 columns, one every 1; 8 inputs are read twice": lambda x: x.unfold(1, 3, 1),
    "copies its input; each is multiplied by −2; every input is read once": lambda x: -2 * x,
    "each output is the mean over a window of 2×2 inputs, along rows and columns; "
    "every input is read once": lambda x: F.avg_pool2d(x[None], 2),
    "each output is the sum over all 4 columns; every input is read once": lambda x: x.sum(1),
    "each output is the mean over all 4 rows and 4 columns; every input is read once": (
        lambda x: x.mean()
    ),
    "sends every input to one output; sums where they meet, at most 9; "
    "every input is read once; 2 of 10 outputs read nothing": (
        lambda x: x.new_zeros(10).index_add(0, T([0, *range(8)] + [0] * 7), x.flatten())
    ),
    "reads nothing: every output is 0": lambda x: 0 * x,
    "gives no outputs": lambda x: x[:0],
}  # fmt: skip


# Functions that nearly do something that there are words for.
NEARLY = {
    "a selection: each output is one input, or 0; 10 of 16 inputs are never read; "
    "2 of 8 outputs read nothing": lambda x: x.tril()[:, ::2],
    "a selection: each output is one input, or 0; 6 of 16 inputs are never read; "
    "6 of 16 outputs read nothing": lambda x: x.tril().flip(0),
    "a selection: each output is one input; 14 of 16 inputs are never read": (
        lambda x: x[[0, 2], [1, 3]]
    ),
    "each output is the sum of 2 inputs; every input is read once": lambda x: x[:2] + x[2:].flip(1),
    "each output is the weighted sum of 3 inputs; 4 of 16 inputs are never read": (
        lambda x: x[:2, :2] + 2 * x[2:, 1:3] - x[:2, 2:]
    ),
    "each output is the mean of 2 inputs; every input is read once": lambda x: (x[:2] + x[2:]) / 2,
    "each output is the weighted mean of 2 inputs; every input is read once": (
        lambda x: x[:2] * 0.75 + x[2:] * 0.25
    ),
    "reads columns 0 to 1 of every row; 8 of 16 inputs are never read": lambda x: x[:, :2],
}


@pytest.mark.parametrize(
    ("step", "word"),
    [(3, "third"), (8, "eighth"), (11, "11th"), (21, "21st"), (22, "22nd"), (33, "33rd")],
)
def test_ordinals(step, word):
    said = gather3d.sources(lambda x: x[step::step], [100]).describe()
    assert said.startswith(f"reads every {word} element from {step};")
    Claims(gather3d.sources(lambda x: x[step::step], [100]), None).hold(said)


@pytest.mark.parametrize("said", NEARLY)
def test_nearly_is_not_said(said):
    found = gather3d.sources(NEARLY[said], [4, 4])
    Claims(found, None).hold(found.describe())
    assert found.describe() == said


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("count", [10, 600])
def test_weights_of_any_size_are_found(size, count):
    matrix = gather3d.sources(lambda x: size * (x + 0.5 * x.flip(0)), (count,)).matrix
    wanted = size * (torch.eye(count) + 0.5 * torch.eye(count).flip(0)).double()
    close(matrix.to_dense() / size, wanted / size)


@pytest.mark.parametrize("said", SAID)
def test_words(said):
    assert gather3d.sources(SAID[said], [4, 4]).describe() == said


NAMED = {
    "reads channel 0 of every cloud; the points are chosen by an index; "
    "30 of 36 inputs are never read; 2 inputs are read twice": (
        lambda x: x.gather(2, PICK[:, None])
    ),
    "reads points chosen by an index in every cloud, the same in every channel; "
    "18 of 36 inputs are never read; 6 inputs are read twice": (
        lambda x: x.gather(2, PICK[:, None].expand(-1, 3, -1))
    ),
    "reads point 5 of every cloud and every channel; 30 of 36 inputs are never read": (
        lambda x: x[:, :, -1]
    ),
    "transposes channels and points; a permutation: every input is read once": lambda x: x.mT,
}


@pytest.mark.parametrize("said", NAMED)
def test_words_with_names(said):
    assert gather3d.sources(NAMED[said], [2, 3, 6]).describe(NAMES) == said


NUMBERED = {
    "reads position 0 of dimension 1; 24 of 36 inputs are never read": lambda x: x[:, 0],
    "transposes the last two dimensions; a permutation: every input is read once": lambda x: x.mT,
    "transposes dimensions 0 and 1; a permutation: every input is read once": (
        lambda x: x.transpose(0, 1)
    ),
    "puts the dimensions in the order 2, 0, 1; a permutation: every input is read once": (
        lambda x: x.permute(2, 0, 1)
    ),
    "each output is the mean over all 6 positions of dimension 2; every input is read once": (
        lambda x: x.mean(-1)
    ),
    "each output is the weighted sum over a window of 2 positions of dimension 2, with the same "
    "weights everywhere; 24 inputs are read twice": (
        lambda x: 2 * x[..., 1:] + 3 * x[..., :-1]
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", NUMBERED)
def test_words_with_numbers(said):
    assert gather3d.sources(NUMBERED[said], [2, 3, 6]).describe() == said


@pytest.mark.parametrize("said", [*SAID, *NAMED, *NUMBERED])
def test_the_reader_believes_what_is_so_and_nothing_else(said):
    fn = {**SAID, **NAMED, **NUMBERED}[said]
    shape, names = ([4, 4], None) if said in SAID else ([2, 3, 6], NAMES if said in NAMED else None)
    Claims(gather3d.sources(fn, shape), names).hold(said)
    shape = [4, 5] if said in SAID else [3, 3, 7]
    for other in (
        lambda x: x.flip(0).flip(1).roll(1)[..., 1:],
        lambda x: x.flatten()[[1, 0, 3, 3]],
    ):
        with pytest.raises((AssertionError, IndexError, ValueError)):
            Claims(gather3d.sources(other, shape), names).hold(said)


@st.composite
def functions(draw):
    """(shape, fn): one to three linear steps, most of them index operations."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    steps = []

    def now():
        x = torch.zeros(shape, dtype=torch.float64)
        for step in steps:
            x = step(x)
        return tuple(x.shape)

    for _ in range(draw(st.integers(1, 3))):
        size = now()
        if not size or 0 in size or math.prod(size) > 300:
            break
        d = draw(st.integers(0, len(size) - 1))
        n = size[d]
        k, k2 = draw(st.integers(0, n - 1)), draw(st.integers(1, 3))
        count = draw(st.integers(1, 8))
        two, three, few = min(2, n), min(3, n), min(k2, n)
        chosen = draw(indices((count,), 0, n))
        field = list(size)
        field[d] = draw(st.integers(1, 4))
        gathered = draw(indices(tuple(field), 0, n))
        missing = draw(indices((math.prod(size),), -1, math.prod(size)))
        order = draw(st.permutations(range(len(size))))
        weights = whole(draw(SEEDS), size)
        slots = draw(indices((n,), 0, 5))
        steps.append(
            draw(
                st.sampled_from(
                    [
                        lambda x, d=d, k=k: x.select(d, k),
                        lambda x, d=d, k=k: x.narrow(d, k, x.shape[d] - k),
                        lambda x, d=d, k=k, s=k2: x.narrow(d, k, x.shape[d] - k).unfold(d, 1, s),
                        lambda x, d=d: x.flip(d),
                        lambda x, d=d, k=k: x.roll(k, d),
                        lambda x, k=k: x.roll(k),
                        lambda x, order=order: x.permute(*order),
                        lambda x: x.flatten(),
                        lambda x, k2=k2: x.flatten()[::k2],
                        lambda x, d=d, i=chosen: x.index_select(d, i),
                        lambda x, d=d, i=gathered: x.gather(d, i),
                        lambda x, i=missing: F.pad(x.flatten(), (0, 1))[i],
                        lambda x, d=d, s=k2: x.unsqueeze(d).expand(*x.shape[:d], s, *x.shape[d:]),
                        lambda x, d=d, s=k2: x.repeat_interleave(s, d),
                        lambda x, d=d, s=k2: torch.cat([x] * s, d),
                        lambda x, s=k2: F.pad(x, (1, s - 1)),
                        lambda x, d=d, s=few: x.unfold(d, s, s),
                        lambda x, d=d, s=two: x.unfold(d, s, 1),
                        lambda x: x.tril() if x.ndim > 1 else x,
                        lambda x: x.diagonal() if x.ndim > 1 else x.diag(),
                        lambda x, w=weights: x * w,
                        lambda x: -2 * x,
                        lambda x, d=d: x.sum(d),
                        lambda x, d=d: x.mean(d),
                        lambda x, d=d: x.cumsum(d),
                        lambda x, d=d: x.diff(dim=d),
                        lambda x, d=d, s=two: x.unfold(d, s, 1).mean(-1),
                        lambda x, d=d, s=three: (
                            x.unfold(d, s, 1) @ torch.arange(1.0, s + 1).double()
                        ),
                        lambda x, d=d, i=slots: x.new_zeros(
                            *x.shape[:d], 5, *x.shape[d + 1 :]
                        ).index_add(d, i, x),
                    ]
                )
            )
        )

    def fn(x):
        for step in steps:
            x = step(x)
        return x

    return shape, fn


@given(functions(), st.booleans())
def test_every_clause_holds(case, named):
    shape, fn = case
    found = gather3d.sources(fn, shape)
    names = ("cloud", "channel", "point")[: len(shape)] if named else None
    Claims(found, names).hold(found.describe(names))
