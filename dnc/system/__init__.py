"""Files, the terminal and errors. Imports no other package of this project.

errors         the exception that commands print as one line
files          files that appear whole or not at all; locks
quiet          hides the logs of libraries
progress       reports the progress of long work
wording        lists, numbers and one-line texts in messages
json_values    converts values to the types of JSON
command_line   flags, errors and Ctrl-C in all commands
"""
