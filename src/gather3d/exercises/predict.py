"""Predictions: a question before the answer, whose wrong options are the usual misconceptions.

    from gather3d.exercises import predict
    predict("gather.shape")        # shows the question
    predict("gather.shape", "B")   # says what lies behind an option

On a page of the book and in a notebook the same question is HTML without a script: each option
opens, and inside it stands what leads to it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from string import ascii_uppercase

FEWEST, MOST = 3, 5  # options
REFUSED = "It is refused."


@dataclass(frozen=True)
class Option:
    """One answer, the program that leads to it, and what is said to somebody who chose it.

    `program` gives the option's text: the right one runs what the question asks about, a wrong one
    what a misconception takes it for. An IndexError, RuntimeError or ValueError that it raises
    reads "It is refused."
    """

    text: str
    program: Callable[[], object]
    words: str

    def computed(self) -> str:
        """The text that the program leads to."""
        try:
            return str(self.program())
        except (IndexError, RuntimeError, ValueError):
            return REFUSED


@dataclass(frozen=True)
class Prediction:
    """A question with one right option and two to four wrong ones.

    Backticks in question, text and words are set as code.
    """

    id: str
    question: str
    right: Option
    wrong: tuple[Option, ...]

    def __post_init__(self) -> None:
        texts = [option.text for option in (self.right, *self.wrong)]
        if not FEWEST <= len(texts) <= MOST:
            raise ValueError(f"wrong: got {len(self.wrong)}, wanted {FEWEST - 1} to {MOST - 1}")
        if len(set(texts)) < len(texts):
            raise ValueError(f"{self.id}: two options have the same text")

    @property
    def options(self) -> dict[str, Option]:
        """By their letters, in an order that is always the same and tells nothing."""
        options = [self.right, *self.wrong]
        random.Random(self.id).shuffle(options)
        return dict(zip(ascii_uppercase, options, strict=False))

    def answer(self, choice: str) -> "Answer":
        """What is said of an option, named by its letter."""
        options = self.options
        letter = choice.strip().upper() if isinstance(choice, str) else choice
        if letter not in options:
            raise ValueError(f"choice: got {choice!r}, wanted one of {', '.join(options)}")
        return Answer(self.id, letter, options[letter], options[letter] is self.right)

    def __str__(self) -> str:
        lines = [f"{letter}  {option.text}" for letter, option in self.options.items()]
        how = f'predict("{self.id}", "A") says what lies behind an option.'
        return "\n".join([f"Predict: {self.question}", *lines, how])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from gather3d.figures.svg import code  # loads matplotlib: not before something is shown

        name = escape(self.id)
        options = "".join(
            f'<details name="{name}"{" data-right" if option is self.right else ""}>'
            f"<summary>{letter}: {code(option.text)}</summary>"
            f"<p>{code(self.answer(letter).sentence)}</p></details>"
            for letter, option in self.options.items()
        )
        return (
            f'<div class="g3-predict" role="group" aria-label="Prediction" data-id="{name}">'
            f"<p><strong>Predict.</strong> {code(self.question)}</p>{options}</div>"
        )


@dataclass(frozen=True)
class Answer:
    """What `predict` says of one option: whether it is right, and what leads to it."""

    id: str
    letter: str
    option: Option
    right: bool

    @property
    def sentence(self) -> str:
        return f"{'Right' if self.right else 'Not so'}. {self.option.words}"

    def __str__(self) -> str:
        return f"{self.letter}  {self.option.text}\n{self.sentence}"

    __repr__ = __str__


def predict(id: str, choice: str | None = None) -> Prediction | Answer:
    """A question to answer before you read on, or what is said of one of its options.

    Args:
        id: the prediction, `chapter.name`.
        choice: the letter of an option; without one, or with "", the question is shown.

    Raises:
        ValueError: no prediction has this id, or no option this letter.

    Example:
        >>> predict("gather.readers", "A").right
        False
    """
    from .predictions import PREDICTIONS

    if id not in PREDICTIONS:
        near = get_close_matches(str(id), PREDICTIONS, n=1)
        wanted = near[0] if near else f"one of {', '.join(PREDICTIONS)}"
        raise ValueError(f"id: got {id!r}, wanted {wanted}")
    prediction = PREDICTIONS[id]
    return prediction if choice in (None, "") else prediction.answer(choice)
