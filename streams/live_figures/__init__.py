"""What goes on right now, by organisation: a fold of the log into windows of a minute, small and made again at will."""
