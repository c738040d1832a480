"""What watchers see: the status file, metrics, events and notifications.

Everything here is made from one report, after the pass; nothing here decides what a pass does, and no watcher needs root or
touches a disk. `document` is the status file, `metrics` the same for Prometheus, `deliver` sends them, `check` the plugin for Nagios and its kin (a program of its own). Shapes are a contract: docs/watch.md.
"""
