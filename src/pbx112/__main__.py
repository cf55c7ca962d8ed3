"""`python -m pbx112` is the command `pbx112`."""

from pbx112.cli import main

main()
