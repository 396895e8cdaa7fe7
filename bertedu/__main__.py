"""`python -m bertedu`: the `bertedu` command, a few seconds slower because it imports the package first."""

import sys

from bertedu.cli import main

sys.exit(main())
