"""How requests to addresses that tenants gave leave this process: to addresses that the egress policy has judged."""
