"""Tools that run outside the machine: function tools on the tenant's server, and the guard on what may be reached."""
