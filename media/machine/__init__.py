"""The call machine: one conversation as a deterministic state machine without I/O, clock or randomness.

``plan`` is what an assistant's configuration means, ``inputs`` and ``outputs`` the vocabulary, ``state`` the memory,
``step`` the one function that turns a state and an input into the next state and outputs. Each concern of a
conversation has its module: ``turns`` (the caller's side), ``endpointing`` (is the turn over), ``answering`` (the
model), ``speaking`` (utterances and the gate they pass), ``interruption``, ``tools``, ``control``, ``timers``,
``ending``, ``history`` and ``usage``. ``phases`` names the state of the turn-taking table that the facts amount to.
"""
