"""Knowledge out of uploads: their text, its pieces, an index of those, and the search over it.

What is indexed follows from the log and the stored files alone, so an index can be thrown away and made again.
"""
