"""One module per resource; each has a function that makes its router from the shared context."""
