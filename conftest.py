"""What pytest leaves alone when it is given a folder: `pytest --nbval notebooks` runs the chapters.

The students' notebooks wait for answers; the instructor's beside them are run by tests/course. A
file that is named on the command line is run all the same.
"""

collect_ignore = ["_build", "course", "notebooks/exercises"]
