"""What several explorables share.

explorable   the widget itself: a front end made of files, caption, alt, height
tensors      nested lists from and to tensors, and what is refused in them
clouds       a small cloud that an explorable shows

shared.js    frame, controls, tables of cells, arrows; with it stand
space.js     3D on a plain canvas
clouds.js    points that are turned, pointed at and moved
slices.js    slices of a volume
"""
