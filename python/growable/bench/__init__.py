"""The benchmarks: Buffer beside bytearray and the usual ways to gather bytes, in one run.

Nothing here is imported by `import growable`. The way through it:

contestants  the one table of implementations; how each gathers bytes
plan         which cells a run measures: the smoke, the short and the full set
child        what a process of its own does: fill, time, count, compare the contents
runner       starts those processes and talks to them
memory       how much there is; backing: that it is there before anything on it is timed
measure      rounds over the contestants, and what is kept of them
figures      medians, spreads, percentiles
targets      what the project promises of these figures, each met, not met or not measured
machine      where the figures come from, without its names
tables       the Markdown page of a run; plots: its pictures
run          all of it in order

What a reader would get wrong: no time here means anything by itself. Machines are shared and
clocks wander, so each round runs every contestant, and what is kept is the median of the rounds'
ratios.
"""
