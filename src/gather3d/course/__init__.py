"""The course kit: from the instructor masters to the students' notebooks, and from these to grades.

    python -m gather3d.course release               masters → notebooks, a zip, nbgrader's folders
    python -m gather3d.course grade SUBMISSIONS     collected, graded in sandboxes, summed up
    python -m gather3d.course leaks                 does a release give anything away?

`masters` reads the instructor's notebooks, `release` makes what students get, `leaks` searches it.
`collect` takes what comes back: `files` opens folders and archives, `reading` makes notebooks of
files, `recognise` finds the master's cells in them. `ready` tries the environment, `submission`
grades one submission with `kernel` and `sandbox`, `grade` all of them, and `summary` writes the
tables. nbgrader keeps the grades (`settings`).
"""
