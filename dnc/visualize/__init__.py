"""Looking at a DNC's memory over a few steps.

memory_trace   records contents, weights, usage, links and gates of every step
pictures       draws them
"""
