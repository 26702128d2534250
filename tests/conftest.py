"""How every test of the project runs."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "callfold",
    deadline=None,  # a busy machine is no finding; whole tests have pytest's time-out
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("callfold")

pytest_plugins = ["tests.brokers"]
