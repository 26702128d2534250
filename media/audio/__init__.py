"""Sound: formats, frames, voice activity, paced playout and recording. Inside, audio is 16 kHz mono s16le."""
