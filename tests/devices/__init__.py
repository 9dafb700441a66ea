"""A second device without a GPU, for the operators' tests and the notebooks.

standin/        the folder for PYTHONPATH: with it, `import torch` brings the device `standin`
test_standin    that the device refuses what a GPU refuses, and does what a GPU does
"""
