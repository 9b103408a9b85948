"""``python -m interlingua`` is the program ``interlingua``."""

from interlingua.cli.main import main

main()
