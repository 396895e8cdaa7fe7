"""`python -m bertedu`: the same as the `bertedu` command, a few seconds slower, because it imports the package."""

import sys

from bertedu.cli import main

sys.exit(main())
