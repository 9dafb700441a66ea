"""The matrix behind a function, which `gather3d.sources` gives.

asking     which dtype a function takes and computes in, and whether it answers at all
linear     its sparse matrix, found by asking
words      what that matrix does, in words
"""
