"""The configuration resources, each as what tells it from the others."""
