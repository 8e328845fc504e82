"""Files, the terminal and errors. Imports no other package of this project.

errors         the exception that commands print as one line
files          files that appear whole or not at all; locks
quiet          hides the logs of libraries
progress       reports how far a long piece of work is
wording        lists in sentences, long texts in one line
json_values    values as JSON has them
command_line   what all commands share
"""
