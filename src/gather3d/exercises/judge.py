"""Try an answer on an exercise's cases, and find the words for what is wrong.

The judge only asks: `answer.Here` or `check.There` call the student's program. What comes back is
data, so that no program can change its own verdict.
"""

import re
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Generator, Tensor

from .answer import PRINTED, SHOWN, Answer, Here, Outcome, Raised, Strange, parts, quoted, same
from .exercise import KINDS, Case, Exercise, Misconception, RefusalError
from .known import Known, known_of
from .report import Report

STEPS = 300  # on a large input; less is no loop
SINGLE = 1e-5  # how well two wrong programs agree in float32
DRAWN = 48  # elements, at most, of what is drawn

SAID = {"one": "size", "empty": "size"}  # kinds of cases, and what is said of them
GENERIC = {
    "unsolved": "Not solved yet: the function does not give anything back.",
    "wrong-device": "Right on the CPU; on another device the result, or a helper tensor, is on "
    "the wrong one.",
    "accepts-bad-input": "Right, except that this input must be refused with an exception.",
    "forbidden": "Right, but the exercise is to do without",
    "python-loop": "Right, but a Python loop over the elements",
}


def judge(
    exercise: Exercise, answer: Callable | Answer, *, seed: int = 0, device: str | None = None
) -> Report:
    """The report on an answer. `device` is tried too, after the CPU."""
    asked = answer if hasattr(answer, "gradients") else Here(answer)
    report = verdict(known_of(exercise, seed), asked, device)
    return Report(**{**vars(report), "printed": asked.printed[: PRINTED + 2]})


def verdict(known: Known, answer: Answer, device: str | None) -> Report:
    exercise, trials = known.exercise, []
    for case in known.cases:
        trial = Trial(case, known.outcome(case), answer.call(case.arguments), exercise)
        if trial.unsolved:
            return Report(exercise.id, False, "unsolved", GENERIC["unsolved"], exercise.page)
        trials.append(trial)
    if any(trial.fault for trial in trials):
        return failed(known, answer, trials)
    found = chain(  # none is looked for once there is one
        (wrong_gradient(known, answer, case) for case in known.cases),
        (fault(known, answer) for fault in (slow, forbidden)),
        (wrong_device(exercise, answer, case, device) for case in known.cases if device),
    )
    return next((report for report in found if report), Report(exercise.id, True))


# ---- one case


class Trial:
    """A case, what it should give and what it gave; `fault` is what is wrong, None if nothing."""

    def __init__(self, case: Case, wanted: Outcome, got: Outcome, exercise: Exercise) -> None:
        self.case, self.wanted, self.got, self.exercise = case, wanted, got, exercise
        if wanted.error is not None and case.refuse is None:
            raise AssertionError(f"{exercise.id}: the reference fails: {wanted.error}")
        self.fault = self._fault()

    @property
    def unsolved(self) -> bool:
        """As a stub leaves it: nothing is given back, or the exception that a stub raises."""
        if self.got.error is None:
            return self.got.value is None or self.got.value is ...
        bare = not self.got.error.text  # PyTorch raises this class too, and says what it lacks
        return bare and self.got.error.is_a(NotImplementedError)

    def _fault(self) -> str | None:
        got, refuse = self.got, self.case.refuse
        if refuse is not None:
            if got.error is None:
                return "accepts-bad-input"
            return None if got.error.is_a(*kinds(refuse)) else "raises"
        if got.error is not None:
            return "raises"
        normal = self.exercise.normal
        both = pairs(self.wanted.value, got.value)
        if both is None:
            return "wrong-type"
        if any(w.shape != g.shape for w, g in both):
            return "wrong-shape"
        if any(w.dtype != g.dtype for w, g in both):
            return "wrong-dtype"
        if not same(normal(self.wanted.value), normal(got.value), self.exercise.tolerance):
            return "wrong-values"
        return "in-place" if got.changed else None

    def agrees_with(self, other: Outcome) -> bool:
        """Whether the answer did what another program does."""
        if self.fault == "in-place":  # its values are right
            return False
        if self.got.error is not None and other.error is not None:
            refused = self.case.refuse is not None and other.error.is_a(*kinds(self.case.refuse))
            if other.error.is_a(RefusalError) or (refused and self.fault is None):
                return True
        if self.got.error is not None or other.error is not None:
            return said(self.got.error) == said(other.error)
        if pairs(self.got.value, other.value) is None:
            return same(self.got.value, other.value)
        normal, tolerance = self.exercise.normal, self.exercise.tolerance
        if tolerance and any(part.dtype == torch.float32 for part in parts(self.got.value)):
            tolerance = max(tolerance, SINGLE)  # the same mistake, rounded in another order
        try:
            return same(normal(self.got.value), normal(other.value), tolerance)
        except (RuntimeError, IndexError, TypeError):  # a shape that has no normal form
            return same(self.got.value, other.value, tolerance)


def pairs(wanted: Any, got: Any) -> list[tuple[Tensor, Tensor]] | None:
    """The tensors of two results side by side; None where the types differ."""
    if isinstance(wanted, Tensor):
        return [(wanted, got)] if isinstance(got, Tensor) else None
    if not isinstance(wanted, tuple | list):
        return [] if type(got) is type(wanted) else None
    if not isinstance(got, tuple | list):
        return None
    if len(got) != len(wanted):
        return None
    found = [pairs(w, g) for w, g in zip(wanted, got, strict=True)]
    return None if None in found else [pair for each in found for pair in each]


def kinds(refuse: type[Exception] | tuple[type[Exception], ...]) -> tuple[type[Exception], ...]:
    return refuse if isinstance(refuse, tuple) else (refuse,)


def said(error: Raised | None) -> str:
    """An exception without the numbers in its message, which differ from case to case."""
    return "" if error is None else re.sub(r"-?\d+", "#", str(error))


# ---- what is wrong, in words


def failed(known: Known, answer: Answer, trials: list[Trial]) -> Report:
    exercise, failing = known.exercise, [trial for trial in trials if trial.fault]
    smallest = failing[0]
    if taken := recognised(known, trials):
        key, words, page = named(exercise, taken)
        alike = (t for t in failing if t.agrees_with(known.outcome(t.case, *taken)))
        smallest = next(alike, smallest)
    else:
        (key, words), page = general(exercise, failing), exercise.page
    return Report(
        exercise.id,
        False,
        key,
        words,
        page,
        case={name: shown(value) for name, value in smallest.case.arguments.items()},
        expected=expected(smallest),
        got=received(smallest.got),
        difference=difference(smallest),
        picture=picture(exercise, answer, smallest),
    )


def recognised(known: Known, trials: list[Trial]) -> tuple[Misconception, ...]:
    """The wrong turn, or the two, that explain every case, else those that explain the ordinary.

    Whatever explains them explains the ordinary ones, so these are asked first, the smallest that
    fails before all: nearly every pair ends there.
    """
    asked = [trial for trial in trials if trial.case.refuse is None]
    ordinary = [trial for trial in asked if trial.case.kind == "ordinary"]
    gives = any(trial.got.error is None for trial in ordinary)
    one = [(misconception,) for misconception in known.exercise.misconceptions]
    first = sorted(ordinary, key=lambda trial: trial.fault is None)
    for taken in one:
        if explains(known, taken, trials, gives):
            return taken
    possible = []
    for taken in chain(one, known.exercise.pairs() if gives else ()):
        if explains(known, taken, first, gives):
            if explains(known, taken, trials, gives):
                return taken
            possible.append(taken)
    for group in (asked, ordinary):
        if not any(trial.fault for trial in group):
            continue
        for taken in possible:
            if explains(known, taken, group, gives):
                return taken
    return ()


def explains(
    known: Known, taken: tuple[Misconception, ...], trials: list[Trial], gives: bool
) -> bool:
    """Whether the answer does what these wrong turns lead to; what never gives a value refuses
    nothing."""
    for trial in trials:
        other = known.outcome(trial.case, *taken)
        refuses = other.error is not None and other.error.is_a(RefusalError)
        if not trial.agrees_with(other) or (refuses and not gives):
            return False
    return True


def named(exercise: Exercise, taken: tuple[Misconception, ...]) -> tuple[str, str, str]:
    """Key, words and page of one mistake, or of two in the order of the catalogue."""
    inorder = sorted(taken, key=exercise.misconceptions.index)
    key = "+".join(each.key for each in inorder)
    if len(inorder) == 1:
        return key, inorder[0].words, inorder[0].page
    first, second = (each.words for each in inorder)
    return key, f"Two mistakes. One: {first} The other: {second}", inorder[0].page


def general(exercise: Exercise, failing: list[Trial]) -> tuple[str | None, str]:
    """Words for what no misconception of the exercise explains."""
    first, special = failing[0], {trial.case.kind for trial in failing}
    faults = {trial.fault for trial in failing}
    if faults == {"in-place"}:
        return "in-place", f"Right values, but {what(first)}{exercise.asked('in-place')}"
    if faults == {"accepts-bad-input"}:
        return "accepts-bad-input", GENERIC["accepts-bad-input"] + exercise.asked("refused")
    if len(special) == 1 and special != {"ordinary"}:
        (kind,) = special
        words = f"Right, except for {KINDS[kind]}: {what(first)}"
        return f"fails-{kind}", words + exercise.asked(SAID.get(kind, kind))
    if first.fault == "wrong-values":
        tensors = pairs(first.wanted.value, first.got.value)
        return None, "The shape is right, some values are not." if tensors else "Not this number."
    words = what(first)[0].upper() + what(first)[1:]
    return first.fault, words + (exercise.asked("dtype") if first.fault == "wrong-dtype" else "")


def what(trial: Trial) -> str:
    """One sentence on what went wrong in this case."""
    got, wanted = trial.got, trial.wanted.value
    both = None if got.error else pairs(wanted, got.value)
    match trial.fault:
        case "raises":
            return f"it raises {str(got.error).strip().splitlines()[0]}"
        case "wrong-type":
            return f"it gives {kind_of(got.value)}, wanted {kind_of(wanted)}."
        case "wrong-shape":
            w, g = next((w, g) for w, g in both if w.shape != g.shape)
            return f"its shape is {list(g.shape)}, wanted {list(w.shape)}."
        case "wrong-dtype":
            w, g = next((w, g) for w, g in both if w.dtype != g.dtype)
            return f"its dtype is {short(g.dtype)}, wanted {short(w.dtype)}."
        case "in-place":
            return f"it changes {' and '.join(got.changed)} in place."
        case "accepts-bad-input":
            return "this input must be refused with an exception."
    return "the values differ."


def kind_of(value: Any) -> str:
    if isinstance(value, Strange):
        return f"a {value.name}"
    name = "tensor" if isinstance(value, Tensor) else type(value).__name__
    if not isinstance(value, tuple | list):
        return f"an {name}" if name == "int" else f"a {name}"
    return f"a {name} of {', '.join(kind_of(part) for part in value[:4]) or 'nothing'}"


def short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def shown(value: Any) -> str:
    """A value as text, a large one with its middle left out."""
    if isinstance(value, tuple | list) and any(isinstance(part, Tensor) for part in value):
        return "\n".join(shown(part) for part in value)
    if isinstance(value, Strange):
        return value.text
    if not isinstance(value, Tensor):
        return quoted(value)
    expanded = any(n > 1 and not step for n, step in zip(value.shape, value.stride(), strict=True))
    about = f"{list(value.shape)} {short(value.dtype)}{', expanded' if expanded else ''}"
    if not value.numel():
        return about
    whole = value.detach().double() if value.is_floating_point() else value.detach()
    body = re.sub(r",\s+dtype=[\w.]+|\)$", "", repr(whole.cpu()).removeprefix("tensor("))
    body = body.replace("\n       ", "\n")  # as wide as the prefix was
    text = body if len(body) <= SHOWN else body[:SHOWN] + " …"
    return f"{about}: {text}" if "\n" not in text else f"{about}:\n{text}"


def expected(trial: Trial) -> str:
    if trial.case.refuse is None:
        return shown(trial.wanted.value)
    return " or ".join(kind.__name__ for kind in kinds(trial.case.refuse))


def received(got: Outcome) -> str:
    if got.error is None:
        return shown(got.value)
    return str(got.error)


def difference(trial: Trial) -> str:
    """The first element that is not as it should be."""
    if trial.fault != "wrong-values":
        return ""
    normal = trial.exercise.normal
    for number, (w, g) in enumerate(pairs(normal(trial.wanted.value), normal(trial.got.value))):
        close = torch.isclose(w.double(), g.double(), *2 * [trial.exercise.tolerance], True)
        if not close.all():
            place = (~close).nonzero()[0].tolist()
            name = f"result[{number}]" if isinstance(trial.wanted.value, tuple) else "result"
            at = "".join(f"[{k}]" for k in place)
            return f"{name}{at} is {g[tuple(place)].item()}, wanted {w[tuple(place)].item()}"
    return ""


def picture(exercise: Exercise, answer: Answer, trial: Trial) -> str:
    """Where each output comes from, in the answer and in the right one, where both are linear."""
    name = exercise.linear_in
    small = name and trial.case.refuse is None and trial.fault in ("wrong-values", "wrong-shape")
    if not small or max(trial.case.arguments[name].numel(), trial.wanted.value.numel()) > DRAWN:
        return ""
    from gather3d import figures  # loads plotly: not before something is drawn

    def of(asked: Answer) -> Callable[[Tensor], Tensor]:
        def function(x: Tensor) -> Tensor:
            got = asked.call({**trial.case.arguments, name: x})
            if got.error is not None:
                raise ValueError(str(got.error))
            return got.value

        return function

    shape = trial.case.arguments[name].shape
    try:
        drawn = figures.sources(of(answer), shape, compare=of(Here(exercise.right)))
    except (ValueError, TypeError, RuntimeError, IndexError):
        return ""  # an answer that is not linear has no such picture
    return drawn._repr_html_() if hasattr(drawn, "svg") else ""


# ---- what is right in value, and yet not right


def forbidden(known: Known, answer: Answer) -> Report | None:
    """A call of what the exercise is to do without."""
    exercise = known.exercise
    for called in answer.calls(known.ordinary.arguments):
        module, _, name = str(called).rpartition(".")
        if name in exercise.without or module.startswith("gather3d.exercises"):
            words = f"{GENERIC['forbidden']} {name}.{exercise.asked('without')}"
            return Report(exercise.id, False, "forbidden", words, exercise.page)
    return None


def wrong_gradient(known: Known, answer: Answer, case: Case) -> Report | None:
    """The gradient of a random sum of the result, beside the one through the loop."""
    exercise = known.exercise
    names = [
        name
        for name in exercise.differentiable
        if case.refuse is None and case.arguments[name].is_floating_point()
    ]
    if not names or case.size[0]:  # nothing flows through nothing
        return None
    through = known.gradients(case, names), answer.gradients(case.arguments, names)
    for name, wanted, got in zip(names, *through, strict=True):
        if wanted is None and got is not None:  # the result does not depend on it
            wanted = torch.zeros_like(got)
        if got is None and wanted is not None and bool(wanted.any()):
            key, words = "no-gradient", f"Right values, but no gradient reaches {name}."
        elif got is not None and not same(wanted, got, max(exercise.tolerance, 1e-9)):
            key, words = "wrong-gradient", f"Right values, but the gradient of {name} is wrong."
        else:
            continue
        words += exercise.asked("gradient")
        call_text = {argument: shown(value) for argument, value in case.arguments.items()}
        texts = [f"gradient of {name}: {'none' if g is None else shown(g)}" for g in (wanted, got)]
        return Report(exercise.id, False, key, words, exercise.page, call_text, texts[0], texts[1])
    return None


def slow(known: Known, answer: Answer) -> Report | None:
    """A loop over elements takes the more steps the more elements there are; one over taps or
    corners does not. Steps are the same on every machine; the time is for the words alone."""
    exercise = known.exercise
    if exercise.large is None:
        return None
    allowed = max(STEPS, 3 * answer.steps(known.ordinary.arguments, float("inf")))
    given = exercise.large(Generator().manual_seed(known.seed))
    if answer.steps(given, allowed) <= allowed:
        return None
    words = f"{GENERIC['python-loop']}{slower(exercise, answer, given)}.{exercise.asked('loop')}"
    return Report(exercise.id, False, "python-loop", words, exercise.page)


def slower(exercise: Exercise, answer: Answer, given: dict[str, Any]) -> str:
    if exercise.fast is None:
        return ""
    fast = Here(exercise.fast)
    fast.seconds(given)  # warm
    ratio = answer.seconds(given) / max(fast.seconds(given), 1e-6)
    return f": {ratio:.0f} times slower than a few tensor operations" if ratio > 2 else ""


def wrong_device(exercise: Exercise, answer: Answer, case: Case, device: str) -> Report | None:
    if case.refuse is not None:
        return None
    found = answer.devices(case.arguments, device)
    if isinstance(found, Raised):
        got = str(found)
    elif wrong := [name for name in found if name != device]:
        got = f"a result on {wrong[0]}"
    else:
        return None
    text = {name: shown(value) for name, value in case.arguments.items()}
    words, wanted = GENERIC["wrong-device"] + exercise.asked("device"), f"a result on {device}"
    return Report(exercise.id, False, "wrong-device", words, exercise.page, text, wanted, got)
