"""The one way in which every configuration resource is served: create, list, read, change, delete, and its history."""
