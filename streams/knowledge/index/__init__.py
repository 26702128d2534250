"""The index of one text: its pieces, which words stand in each, and a vector of each. Made from the text alone."""
