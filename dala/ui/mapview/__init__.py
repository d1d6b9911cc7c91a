"""The map view: a component that draws maps in the browser.

- `view`: the component, its data and its events.
"""
