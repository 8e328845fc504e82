"""What a DNC's memory does over a few steps, and pictures of it.

memory_trace   contents, weights, usage, links and gates of every step
pictures       the same, drawn
"""
