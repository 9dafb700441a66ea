"""How nbgrader is set for this course: for our commands, and for nbgrader's own in the same folder.

`release` writes a `nbgrader_config.py` that reads it; what an instructor adds there counts, too.
"""

import math
import os
import sys
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float
from traitlets.config import Config, PyFileConfigLoader

from .masters import INSTRUCTOR

CONFIG = "nbgrader_config.py"
CONFIG_TEXT = '''"""nbgrader's settings for this course. Add your own below: they count."""

from gather3d.course.settings import settings

c = get_config()  # noqa: F821
settings(c)

# c.PerDay.fraction = 0.2        # lost for each day that a submission is late
# c.CourseDirectory.db_url = "postgresql://…"
'''


class PerDay(LateSubmissionPlugin):
    """A part of the score is lost for each day begun after the due date."""

    fraction = Float(0.1, help="of the score, for each day begun").tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """min(1, fraction · days begun) of the score.

        Example:
            >>> PerDay().late_submission_penalty("ada", 20.0, 90_000)
            4.0
        """
        if total_seconds_late <= 0:
            return None
        return score * min(1.0, self.fraction * math.ceil(total_seconds_late / 86_400))


def settings(c: Config) -> None:
    """Put the course's settings into nbgrader's configuration."""
    from nbgrader.converters import GenerateAssignment

    c.CourseDirectory.course_id = "gather3d"
    c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError"}
    c.TagRemovePreprocessor.remove_cell_tags = {INSTRUCTOR}
    c.TagRemovePreprocessor.enabled = True
    c.GenerateAssignment.preprocessors = [
        "nbconvert.preprocessors.TagRemovePreprocessor",
        *GenerateAssignment.preprocessors.default(),
    ]
    c.AssignLatePenalties.plugin_class = "gather3d.course.settings.PerDay"
    c.GenerateFeedback.preprocessors = [
        "nbgrader.preprocessors.GetGrades",
        "nbgrader.preprocessors.ClearHiddenTests",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]


def course_directory(course: Path, db: str | None = None) -> CourseDirectory:
    """nbgrader's view of a course folder, with the settings of its nbgrader_config.py.

    Args:
        course: made by `release`.
        db: address of the grade book's database; gradebook.db in the folder if not given.

    Raises:
        FileNotFoundError: the folder is no course.
    """
    own = str(Path(sys.executable).parent)  # nbgrader calls alembic by its name
    if own not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", "")])
    course = Path(course).resolve()
    if not (course / CONFIG).exists():
        raise FileNotFoundError(f"course: no {CONFIG} in {course}; run `release` first")
    config = PyFileConfigLoader(CONFIG, path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
    if db is not None:
        config.CourseDirectory.db_url = db
    return CourseDirectory(config=config)
