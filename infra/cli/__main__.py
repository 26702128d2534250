"""``python -m infra.cli`` is the ``callfold`` command."""

from infra.cli.main import run

run()
