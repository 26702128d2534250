"""Knowledge: files whose text answers questions, how they are grouped, and the port through which they are searched."""
