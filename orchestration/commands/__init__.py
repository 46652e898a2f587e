"""The commands of `kindred`, one module per group: names, options and exit codes. No logic.

Does not belong here: layout and words (`orchestration.display`), what a command does (the capability packages).
Heavy libraries are imported inside the commands, so that `kindred --help` answers at once.
"""
