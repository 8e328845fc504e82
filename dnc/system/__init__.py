"""Files, the terminal and errors. Imports no other package of this project.

errors         the exception that commands print as one line
paths          the rule for all paths that users give
files          files that appear whole or not at all; locks
quiet          hides the logs of libraries
own_settings   sets options of libraries, then restores the user's
progress       reports the progress of long work
spreading      work on items, here or by other processes
wording        lists, numbers and one-line texts in messages
json_values    converts values to the types of JSON
command_line   flags, errors and Ctrl-C in all commands
"""
