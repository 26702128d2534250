"""Conversations in writing: the same models and tools as in a call, without its clock, its voice and its ears."""
