"""What belongs to a visit rather than to a tab: the address, pictures that are pasted or dropped, reload and Back.

- `component`: the component, and what Python tells it.
"""
