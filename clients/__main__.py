"""`python -m limner.clients` is the same as `limner`."""

import sys

from .cli import main

sys.exit(main())
