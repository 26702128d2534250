"""What requests may look like: the core fields typed, provider-specific ones let through by discriminator."""
