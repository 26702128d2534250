"""Tables of the projection, each defined beside the function that makes its rows."""
