"""What the words of `Sources.describe` claim, clause by clause, looked up in the dense matrix.

Written from what the words mean, without the code that finds them: a clause that does not hold
fails, and so does one that has no reader here.
"""

import math
import re
from itertools import combinations

import numpy as np

import gather3d


class Claims:
    """What the clauses of a description claim, each looked up in the dense matrix."""

    def __init__(self, found: gather3d.Sources, names: tuple[str, ...] | None) -> None:
        self.M = found.matrix.to_dense().numpy()
        self.input, self.output = found.input_shape, found.output_shape
        self.used = self.M != 0
        self.rows = self.used.sum(1)
        self.times = self.used.sum(0)
        self.single = (self.rows <= 1).all()
        names = names or {1: ("element",), 2: ("row", "column")}.get(len(self.input))
        self.place = ["" if names else f" of dimension {d}" for d in range(len(self.input))]
        self.one = list(names or ["position"] * len(self.input))
        self.sizes = list(self.input)
        if self.single:  # the position that each output reads, -1 where none
            source = np.where(self.rows == 1, self.used.argmax(1) if self.M.size else 0, -1)
            at = np.unravel_index(source.clip(0), self.input) if self.M.size else ()
            self.at = [np.where(source < 0, -1, a).reshape(self.output) for a in at]
            self.source = source

    def tables(self, at: np.ndarray) -> dict[int, list[int]]:
        """The dimensions of the output that alone decide a coordinate, and what they decide."""
        found = {}
        for e in range(at.ndim):
            lines = np.moveaxis(at, e, 0).reshape(at.shape[e], -1)
            each = [sorted(set(line[line >= 0].tolist())) for line in lines]
            if all(len(values) <= 1 for values in each):
                found[e] = [values[0] for values in each if values]
        return found

    def every(self, d: int) -> bool:
        return set(self.at[d][self.at[d] >= 0].tolist()) == set(range(self.sizes[d]))

    def hold(self, said: str) -> None:
        """Assert each clause, and that what is said to be read is read in all combinations."""
        chosen = re.search(r"; the (.*) are chosen by an index", said)
        self.chosen = re.split(", | and ", chosen[1]) if chosen else []
        for clause in said.split("; "):
            for pattern, claim in self.clauses().items():
                if match := re.fullmatch(pattern, clause):
                    assert claim(self, *match.groups()), f"{clause!r} of {said!r}\n{self.M}"
                    break
            else:
                raise AssertionError(f"{clause!r} of {said!r} has no reader")
        if (
            self.single
            and "reads " in said
            and not re.search("index|windows|memory|diag|noth", said)
        ):
            box = math.prod(len(set(at[at >= 0].tolist())) for at in self.at)
            assert self.used.any(0).sum() == box, said

    @staticmethod
    def clauses() -> dict:
        number = lambda text: {"twice": 2}.get(text) or int(text.split()[0].replace(",", ""))  # noqa: E731
        how_often = r"(twice|[\d,]+ times)"
        return {
            "gives no outputs": lambda c: c.M.shape[0] == 0,
            "reads nothing: every output is 0": lambda c: not c.used.any(),
            "copies its input": lambda c: c.copies(),
            "copies its input, in another shape": lambda c: (
                c.copies()
                and len(c.M) == len(c.M.T)
                and [n for n in c.input if n > 1] != [n for n in c.output if n > 1]
            ),
            "keeps some inputs in their places": lambda c: (
                c.input == c.output and not (c.used & ~np.eye(len(c.M), dtype=bool)).any()
            ),
            "repeats its input": lambda c: c.single and c.times.all(),
            "reads the diagonal": lambda c: c.diagonal(),
            "a selection: each output is one input": lambda c: (c.rows == 1).all(),
            "a selection: each output is one input, or 0": lambda c: c.single and 0 in c.rows,
            r"reads (.*) in memory order": lambda c, body: c.flat(body),
            r"reads (.*)": lambda c, body: c.reads(body),
            r"the (.*) are chosen by an index": lambda c, body: c.single,
            r"transposes (.*)": lambda c, which: c.transposes(which),
            r"puts the dimensions in the order (.*)": lambda c, order: c.ordered(
                [int(d) for d in order.split(", ")]
            ),
            r"each is multiplied by a weight": lambda c: c.single and np.ptp(c.M[c.used]) > 0,
            r"each is multiplied by ([−\d.e]+)": lambda c, w: (
                c.single and np.allclose(c.M[c.used], float(w.replace("−", "-")), rtol=1e-3)
            ),
            r"(each output|each output that reads) is the (.*?) (over|of) (.*)": (
                lambda c, which, *rest: (("that" in which) == (0 in c.rows)) and c.mixes(*rest)
            ),
            r"sends every input to one output": lambda c: (c.times == 1).all(),
            r"sends each input that is read to one output": lambda c: c.times.max() == 1,
            r"sums where they meet, at most (\d+)": lambda c, most: (
                c.rows.max() == int(most) and (c.M[c.used] == 1).all()
            ),
            r"([\d,]+) of ([\d,]+) inputs (?:is|are) never read": lambda c, never, count: (
                (c.times == 0).sum() == number(never) and c.times.size == number(count)
            ),
            r"every input is read once": lambda c: (c.times == 1).all(),
            r"a permutation: every input is read once": lambda c: (
                (c.times == 1).all() and (c.rows == 1).all() and (c.M[c.used] == 1).all()
            ),
            rf"every input is read {how_often}": lambda c, n: (c.times == number(n)).all(),
            rf"the others are read {how_often} each": lambda c, n: (
                c.times[c.times > 0] == number(n)
            ).all(),
            rf"(\d+) inputs? (?:is|are) read {how_often}": lambda c, k, n: (
                (c.times == number(n)).sum() == int(k) == (c.times > 1).sum()
            ),
            rf"(\d+) inputs? (?:is|are) read more than once, at most {how_often}": lambda c, k, n: (
                (c.times > 1).sum() == int(k) and c.times.max() == number(n)
            ),
            r"([\d,]+) of ([\d,]+) outputs reads? nothing": lambda c, k, n: (
                (c.rows == 0).sum() == number(k) and c.rows.size == number(n)
            ),
        }

    def copies(self) -> bool:
        read = self.source[self.source >= 0]
        return self.single and read.tolist() == list(range(self.M.shape[1]))

    def diagonal(self) -> bool:
        wide = [at for at, n in zip(self.at, self.input, strict=True) if n > 1]
        read = set(wide[0].flat) - {-1}
        return all((at == wide[0]).all() for at in wide) and read == set(range(max(self.input)))

    def flat(self, body: str) -> bool:
        self.sizes, self.one, self.place = [self.M.shape[1]], ["input"], [""]
        self.at = [self.source]
        return self.reads(body)

    def reads(self, body: str) -> bool:
        assert self.single
        told, chosen = set(), []
        while True:
            for d, n in enumerate(self.sizes):
                end = self.spec(body, d, n)
                if end:
                    break
            else:
                raise AssertionError(f"{body!r} has no reader")
            told.add(d)
            chosen += [d] if "chosen" in body[:end] else []
            body = body[end:]
            if not body.startswith(", ") or body.startswith(", the same in"):
                break
            body = body[2:]
        within, _, same = body.partition(", the same in ")
        for noun in re.findall(r"every ([^,]*?)(?=$|,| and )", within):
            d = self.called(noun)
            assert self.every(d), noun
        for noun in re.findall(r"every ([^,]*?)(?=$|,| and )", same):
            d = self.called(noun)
            along = [
                e for e, t in self.tables(self.at[d]).items() if t == list(range(self.sizes[d]))
            ]
            assert any((np.diff(self.at[k], axis=e) == 0).all() for e in along for k in chosen), (
                noun
            )
        many = [f"{one}s{place}" for one, place in zip(self.one, self.place, strict=True)]
        told |= {d for d, words in enumerate(many) if words in self.chosen}
        return all(self.every(d) for d, n in enumerate(self.sizes) if d not in told and n > 1)

    def called(self, noun: str) -> int:
        return [o + p for o, p in zip(self.one, self.place, strict=True)].index(noun)

    def spec(self, body: str, d: int, n: int) -> int:
        """Where the words on dimension d at the start of the text end; asserts that they hold."""
        one, many, place = self.one[d], self.one[d] + "s", self.place[d]
        steps = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
        positions = np.arange(n)
        times = lambda text: 2 if text == "twice" else int(text.split()[0])  # noqa: E731
        step = lambda text: steps.index(text) + 2 if text in steps else int(text[:-2])  # noqa: E731
        lists = {
            rf"{one} (\d+){place}": lambda k: [int(k)],
            rf"{many} (\d+) to (\d+){place}": lambda a, b: positions[int(a) : int(b) + 1],
            rf"every (\w+) {one}{place}(?: from (\d+))?": (
                lambda by, start: positions[int(start or 0) :: step(by)]
            ),
            rf"the {many}{place} in reverse order": lambda: positions[::-1],
            rf"the {many}{place} rolled by (−?\d+)": (
                lambda k: np.roll(positions, int(k.replace("−", "-")))
            ),
            rf"each {one}{place} (twice|\d+ times) in a row": (
                lambda k: np.repeat(positions, times(k))
            ),
            rf"the {many}{place} (twice|\d+ times) over": lambda k: np.tile(positions, times(k)),
            rf"{many} ((?:\d+, )*\d+ and \d+){place}": (
                lambda text: [int(k) for k in re.findall(r"\d+", text)]
            ),
        }
        for pattern, wanted in lists.items():
            if match := re.match(pattern + r"(?!\d)", body):
                wanted, at = list(wanted(*match.groups())), self.at[d]
                tables = list(self.tables(at).values())
                constant = len(wanted) == 1 and set(at[at >= 0].tolist()) == set(wanted)
                assert constant or wanted in tables, (body, tables)
                return match.end()
        if match := re.match(rf"windows of (\d+) {many}{place}, one every (\d+)", body):
            size, by = map(int, match.groups())
            where = np.indices(self.output)
            assert any(
                (self.at[d] == by * where[a] + where[b]).all()
                and self.output[b] == size
                and self.output[a] == (n - size) // by + 1
                for a in range(len(self.output))
                for b in range(len(self.output))
                if a != b
            )
            return match.end()
        match = re.match(rf"{many}{place} chosen by an index", body)
        return match.end() if match else 0

    def transposes(self, which: str) -> bool:
        if which == "the last two dimensions":
            pair = [len(self.input) - 2, len(self.input) - 1]
        elif which.startswith("dimensions"):
            pair = [int(k) for k in re.findall(r"\d+", which)]
        else:
            pair = [self.one.index(word.removesuffix("s")) for word in which.split(" and ")]
        swap = dict(zip(pair, pair[::-1], strict=True))
        follows = [  # the pair, and the dimensions that are there in full and in order
            d
            for d, n in enumerate(self.input)
            if d in pair or (n > 1 and list(range(n)) in self.tables(self.at[d]).values())
        ]
        return self.ordered([swap.get(d, d) for d in follows])

    def ordered(self, order: list[int]) -> bool:
        tables = [self.tables(self.at[d]) for d in order]
        return any(
            all(e in table for e, table in zip(places, tables, strict=True))
            for places in combinations(range(len(self.output)), len(order))
        )

    def mixes(self, how: str, join: str, rest: str) -> bool:
        rows = [row for row in self.M if row.any()]
        weights = [row[row != 0] for row in rows]
        sums = np.array([w.sum() for w in weights])
        holds = {
            "sum": all(np.allclose(w, 1) for w in weights),
            "mean": all(np.allclose(w, 1 / len(w)) for w in weights),
            "weighted mean": all((w > 0).all() for w in weights) and np.allclose(sums, 1),
            "difference": all(sorted(w.round(6)) == [-1, 1] for w in weights),
            "weighted sum": True,
        }[how]
        sizes = [len(w) for w in weights]
        if join == "of":
            low, _, high = rest.removesuffix(" inputs").partition(" to ")
            return holds and (min(sizes), max(sizes)) == (int(low), int(high or low))
        reads = [np.unravel_index(row.nonzero()[0], self.input) for row in rows]
        extents = np.array([[np.ptp(at) + 1 for at in each] for each in reads])
        assert (extents.prod(1) == sizes).all()  # full boxes
        wide = [d for d in range(len(self.input)) if extents[:, d].max() > 1]
        if rest.startswith("all "):
            words = [f"{self.input[d]} {self.one[d]}s{self.place[d]}" for d in wide]
            told = re.split(", | and ", rest.removeprefix("all "))
            return (
                holds and told == words and (extents[:, wide] == np.array(self.input)[wide]).all()
            )
        match = re.match(r"a window of (at most )?([\d×]+) ([^,]*)", rest)
        most, size = match[1], [int(k) for k in match[2].split("×")]
        same = rest.endswith("with the same weights everywhere")
        tables = [np.array(w) for w in weights]
        return (
            holds
            and extents.max(0)[wide].tolist() == size
            and bool(most) == (len(set(sizes)) > 1)
            and (not same or all(np.allclose(t, tables[0]) for t in tables))
        )
