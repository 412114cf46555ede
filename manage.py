#!/usr/bin/env python3
"""Django's command line for this site."""

import os
import sys

if __name__ == "__main__":
    os.umask(0o077)  # what a command writes into the site's home is for its own account alone
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
