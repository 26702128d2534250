"""Text on its way from the model to the voice: cutting it into chunks and writing it out for speech."""
