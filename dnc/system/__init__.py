"""Files, the terminal and errors. Imports nothing else of this project.

errors         the one exception that a command prints as one line
files          files that are whole or absent, locks
quiet          keeps libraries from logging
progress       how far a long piece of work is
wording        lists in sentences
command_line   what all commands share
"""
