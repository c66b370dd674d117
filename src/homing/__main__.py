"""`python -m homing` is `homing`."""

from homing.cli.main import main

main()
