"""Where recordings and logs of calls are kept."""
