"""What we tell a tenant's servers about calls, chats and sessions: pure functions from events to message payloads."""
