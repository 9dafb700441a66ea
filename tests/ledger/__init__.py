"""The ledger: do the operators and the notebooks answer the same on the CPU and elsewhere?

    make ledger                              on the stand-in of tests/devices, and on CUDA
    python -m tests.ledger --device cpu      a rehearsal, CPU against CPU: _build/ledger.json

repeat      the same call on two devices, and how far apart its answers are
plugin      a pytest plugin: each call that tests/operators makes on the CPU is repeated
notebooks   each chapter is executed on both, and its text outputs are compared
reasons     why something differs, where that is known
"""
