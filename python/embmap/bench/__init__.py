"""`embmap bench FILE`: how much faster than the usual loaders this is, on your machine, with your file.

The loaders read the first rows of a large file only, so that they take some seconds and not all of the memory; their time
is scaled to the whole file, and the table says so. What they give is compared with embmap's answer, bit for bit.
"""
