"""`python -m twinslot_tools` is the `twinslot` command."""

from twinslot_tools.cli import main

main()
