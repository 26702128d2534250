"""How requests leave this process: connections that the egress policy has judged."""
