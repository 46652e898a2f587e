"""What the command line shows, one module per group of commands: layout and words.

Does not belong here: finding out what to show (the capability packages), names and options (`orchestration.commands`).
"""
