"""The bank of answers, chapter by chapter: right ones in every shape, and wrong ones, each with the
diagnosis that it must get."""
