"""The demonstration: a whole spoken call on one machine, watched live and checked afterwards."""
